"""The evidence viewer. Start it with `selfopt dashboard`.

The pages lie in `views`: a folder `pages` beside this file would be taken for pages of an older kind, and a deep link
that is the first request to a server would open an empty one.
"""

import streamlit as st

from dashboards.components.frame import explained, style
from dashboards.views import overview, proposal, run

# Drawn here: Streamlit would fetch the picture of a named icon from the internet.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#00735c"/>'
    '<path d="M6 22l7-8 5 5 8-10" fill="none" stroke="#fff" stroke-width="3.2" stroke-linecap="round"/></svg>'
)

st.set_page_config(page_title="SelfOpt", page_icon=ICON, layout="wide")
style()

PAGES = [
    st.Page(overview.render, title="Overview", icon=":material/dashboard:", url_path="overview", default=True),
    st.Page(proposal.render, title="Proposals", icon=":material/fact_check:", url_path="proposal"),
    st.Page(run.render, title="Runs", icon=":material/timeline:", url_path="run"),
]

page = st.navigation(PAGES, position="top")
with explained():
    page.run()
