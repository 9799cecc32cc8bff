"""What a reader does in notebook 06, by keyboard: steps, changes, stops, rescues, reads the trace."""

import re

from playwright.sync_api import expect

SHOWN = "first = explorer.run()"
READ = "chosen = explorer.selected_trace"
SLOW = 30_000  # a busy machine searches slowly


def explorer(lab):
    return lab.cell(SHOWN).locator(".prm-beam-explorer")


def press(lab, *keys):
    for key in keys:
        lab.page.keyboard.press(key)


def tab_to(lab, wanted, limit=60):
    """Reach a control of the explorer by Tab alone."""
    for _ in range(limit):
        if wanted.evaluate("node => node === document.activeElement"):
            return
        press(lab, "Tab")
    raise AssertionError("Tab does not reach it")


def check_step_through_by_keyboard(lab):
    root = explorer(lab)
    root.get_by_label("strategy").focus()
    tab_to(lab, root.get_by_role("slider"))
    press(lab, "Home")
    expect(root.locator(".prm-live")).to_contain_text("Round 0 of")
    press(lab, "ArrowRight")
    expect(root.locator(".prm-live")).to_contain_text("Round 1 of")
    assert root.get_by_role("treeitem").count() > 1
    press(lab, "End")
    for theme in ("light", "dark"):
        lab.screenshot(f"06_explorer-{theme}", theme=theme, cell=SHOWN)


def check_the_selected_trace_is_read_in_the_next_cell(lab):
    root = explorer(lab)
    root.get_by_label("strategy").focus()
    tab_to(lab, root.get_by_role("tree").locator("[tabindex='0']"))
    press(lab, "Home", "ArrowRight", "ArrowRight", "Enter")
    expect(root.locator(".prm-live")).to_contain_text("Selected: ")
    said = lab.page.evaluate("document.activeElement.ariaLabel")
    lab.run_cell(READ)
    lines = lab.cell_output(READ).strip().splitlines()
    assert lines[0].startswith("2 steps, finished: False")
    assert said.startswith(lines[2].split(maxsplit=1)[1])


def check_another_scorer_searches_again(lab):
    root = explorer(lab)
    root.get_by_label("scorer").focus()
    press(lab, "ArrowDown")
    expect(root.locator(".prm-status")).to_contain_text("beam · prm-large: ", timeout=SLOW)
    expect(root.locator(".prm-outcomes tbody tr")).to_have_count(1)


def check_a_pruned_branch_is_rescued_beside_the_first_search(lab):
    root = explorer(lab)
    pruned = root.locator(".prm-node.pruned").first
    pruned.focus()
    press(lab, "r")
    expect(root.get_by_role("tree")).to_have_count(2, timeout=SLOW)
    expect(root.locator(".prm-outcomes tbody tr")).to_have_count(2)
    expect(root.locator("h4").nth(1)).to_contain_text("from node")
    for theme in ("dark", "light"):
        lab.screenshot(f"06_rescue-{theme}", theme=theme, cell=SHOWN)
    root = explorer(lab)
    root.get_by_label("strategy").focus()
    tab_to(lab, root.get_by_role("button", name="Unpin"))
    press(lab, "Enter")
    expect(root.get_by_role("tree")).to_have_count(1)


def check_a_long_run_is_stopped(lab):
    root = explorer(lab)
    status = root.locator(".prm-status")
    root.get_by_label("strategy").focus()
    tab_to(lab, root.get_by_label("beam width"))
    press(lab, "ControlOrMeta+a")
    lab.page.keyboard.type("500")
    press(lab, "Enter")  # 2,000 samples in the first round: seconds
    expect(status).to_contain_text(re.compile("round"), timeout=SLOW)
    stop = root.get_by_role("button", name="Stop")
    tab_to(lab, stop)
    press(lab, "Enter")
    expect(status).to_contain_text("Stopped after round", timeout=2 * SLOW)
    expect(root.get_by_role("tree")).to_have_count(1)


def check_the_static_twin_holds_both_searches(lab):
    cell = lab.cell("twin.frame(")
    cell.locator("summary").focus()
    press(lab, "Enter")
    page = cell.frame_locator("iframe")
    expect(page.get_by_role("tree")).to_have_count(2)
    page.get_by_role("slider").focus()
    press(lab, "Home", "ArrowRight")
    expect(page.locator(".prm-live")).to_contain_text("Round 1 of")


def check_the_figures_are_drawn_with_their_sentences(lab):
    for cell, words in (("Choosing, voting, and searching", "95 % intervals"),
                        ("Searching in depth", "mcts puct"),
                        ("Beam ahead of each rival", "claims"),
                        ("If the policy kept its states between", "95 % intervals"),
                        ("and equal samples were decoded one by one", "95 % intervals")):
        plot = lab.cell(cell).locator(".js-plotly-plot")
        expect(plot).to_be_visible()
        expect(plot).to_contain_text(words)
    for theme in ("light", "dark"):
        lab.screenshot(f"06_equal-{theme}", theme=theme, cell="Choosing, voting, and searching")
        lab.screenshot(f"06_claims-{theme}", theme=theme, cell="Beam ahead of each rival")
        lab.screenshot(f"06_fooled-{theme}", theme=theme, cell="Preferred in round")


def check_the_claim_is_judged_and_the_losses_are_told(lab):
    said = lab.cell_output("def best_of_all(")
    assert len(re.findall("CONFIRMED|REFUTED|UNDECIDED", said)) == 3
    assert "problems not solved" in lab.cell_output('losses = recorded["losses"]')
    expect(lab.cell("def told(").get_by_role("table")).to_contain_text("preferred wrong step")


def check_blank_exercises_say_not_attempted(lab):
    for name in ("keep_best", "half_as_good", "choose_child", "tokens_read", "at_equal_tokens"):
        assert "Not attempted" in lab.cell_output(f'check("06", "{name}"')


def check_the_quiz_by_keyboard(lab):
    quiz = lab.cell('exercises.quiz("06")')
    expect(quiz.get_by_role("heading")).to_contain_text("question 1 of")
    quiz.get_by_role("radio", name="Judge an unfinished prefix").focus()
    press(lab, "Space", "Enter")
    expect(quiz).to_contain_text("✓ Right. 1 of")
