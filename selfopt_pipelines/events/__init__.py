"""Progress events: stored first, shown second."""
