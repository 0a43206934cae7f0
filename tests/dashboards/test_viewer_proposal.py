import samples
from viewing import add_attempt, shown

from selfopt_pipelines.ledger import proposals

HOSTILE = "<script>alert(1)</script> **bold** [link](https://example.invalid) :red[x]"


def test_without_an_id_all_proposals_are_listed(open_page, proposal):
    text = shown(open_page("proposal"))
    assert f'<a href="proposal?id={proposal.id}">' in text


def test_the_claim_stands_on_top(open_page, proposal):
    seen = open_page("proposal", proposal.id)
    first, second = (element.value for element in seen.get("html")[:2])
    assert first == "<h1>Look up in a Set</h1>"
    assert "takes at least 7.0 % less time" in second


def test_a_prefix_of_the_id_is_enough(open_page, proposal):
    assert "<h1>Look up in a Set</h1>" in shown(open_page("proposal", str(proposal.id)[:8]))


def test_it_shows_numbers_charts_diff_and_gates(open_page, proposal):
    seen = open_page("proposal", proposal.id)
    figures = {item.label: item.value for item in seen.metric}
    assert figures["Saves at least (95 %)"] == "7.0 %"
    assert figures["Estimate"] == "12.0 %"
    assert figures["Median time"] == "1.0 s → 880 ms"
    assert len(seen.get("vega_lite_chart")) == 2
    assert any("+set.has(x)" in block.value for block in seen.code)
    assert "12 tests ran." in shown(seen)


def test_the_log_of_a_gate_is_read_from_the_artifact_store(open_page, proposal):
    seen = open_page("proposal", proposal.id)
    assert [tab.label for tab in seen.tabs] == ["tests"]
    assert any("12 passing" in block.value for block in seen.code)


def test_a_log_that_is_gone_is_one_sentence_and_the_page_stays(open_page, proposal, installation):
    for kept in (installation / "artifacts").rglob("*"):
        if kept.is_file():
            kept.unlink()
    seen = open_page("proposal", proposal.id)
    assert 'role="alert"' in shown(seen)
    assert any("+set.has(x)" in block.value for block in seen.code)


def test_the_rejected_attempts_of_the_run_speak_too(open_page, proposal):
    text = shown(open_page("proposal", proposal.id))
    assert "Time saved [interval]" in text
    assert "The tests fail." in text


def test_it_tells_how_to_verify_and_hands_out_bundle_and_diff(open_page, proposal):
    seen = open_page("proposal", proposal.id)
    assert any(f"selfopt verify {str(proposal.id)[:8]}" in block.value for block in seen.code)
    assert {button.label for button in seen.get("download_button")} >= {"Evidence bundle (2 B)", "Diff"}


def test_it_tells_where_it_was_measured(open_page, proposal):
    assert "bubblewrap, limits held by cgroup-v2" in shown(open_page("proposal", proposal.id))


def test_an_unknown_id_is_one_sentence_with_a_way_on(open_page, proposal):
    text = shown(open_page("proposal", "00000000"))
    assert "No proposal has an id that begins with" in text
    assert '<a href="proposal">' in text


def test_what_stands_in_the_address_is_only_text(open_page):
    text = shown(open_page("proposal", HOSTILE))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_texts_of_a_repository_are_only_text(open_page, database, run, installation):
    attempt = samples.attempt()
    patch = attempt.patch.model_copy(update={"title": HOSTILE, "explanation": HOSTILE, "diff": HOSTILE})
    gate = attempt.gates[0].model_copy(update={"reason": HOSTILE})
    attempt = attempt.model_copy(update={"patch": patch, "gates": (gate,), "reason": HOSTILE})
    with database.connection() as conn:
        made = proposals.record(
            conn,
            add_attempt(conn, run, rank=1, attempt=attempt),
            title=HOSTILE,
            summary=HOSTILE,
            metrics_before={},
            metrics_after={},
            risk=0.1,
        )
        add_attempt(conn, run, rank=2, attempt=attempt)
    for seen in (open_page("proposal", made.id), open_page("run", run.id), open_page("overview")):
        assert "<script>" not in shown(seen)
        assert "&lt;script&gt;" in shown(seen)
        # Whatever reads Markdown must not have been given the text.
        readers = [*seen.markdown, *seen.caption, *seen.title, *seen.header, *seen.subheader, *seen.info, *seen.error]
        assert not [element for element in readers if "alert(1)" in element.value]
        assert not [item for item in seen.metric if "alert(1)" in item.label + item.value]
