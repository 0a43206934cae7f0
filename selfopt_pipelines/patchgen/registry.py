"""Which template answers for which pattern."""

from collections.abc import Callable

from selfopt_pipelines.domain.opportunity import Opportunity, Pattern
from selfopt_pipelines.domain.patch import Declined, Patch
from selfopt_pipelines.domain.tree import Tree
from selfopt_pipelines.javascript.files import MAX_SOURCE_BYTES
from selfopt_pipelines.patchgen.templates import intermediate_array, regexp_construction, set_membership

Template = Callable[[Opportunity, str], Patch | Declined]

TEMPLATES: dict[Pattern, Template] = {
    Pattern.SET_MEMBERSHIP: set_membership.propose,
    Pattern.REGEXP_CONSTRUCTION: regexp_construction.propose,
    Pattern.INTERMEDIATE_ARRAY: intermediate_array.propose,
}


def propose(opportunity: Opportunity, tree: Tree) -> Patch | Declined:
    """The patch of the template for this opportunity's pattern, made against the file as it is in `tree`.

    Deterministic. Declines with one sentence where the file is gone, unreadable or changed so that the place
    is not found again, where a precondition does not hold any more, and where no template exists.
    """
    template = TEMPLATES.get(opportunity.pattern)
    if template is None or not opportunity.patchable:
        return Declined(reason=f"There is no template for {opportunity.pattern.value}.")
    path = opportunity.location.path
    data = tree.read(path, limit=MAX_SOURCE_BYTES + 1)
    if data is None:
        return Declined(reason=f"The file {path} is not there any more.")
    try:
        source = data.decode()
    except UnicodeDecodeError:
        return Declined(reason=f"The file {path} is not UTF-8 text.")
    return template(opportunity, source)
