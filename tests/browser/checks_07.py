"""What a reader does in notebook 07: sees the first error, slides a threshold, is quizzed."""

import re

from playwright.sync_api import expect

EXPLORER = "explorer = ThresholdExplorer(validation, validation_scores"


def wait_for_python(lab, words):
    """Widget messages come by a thread of their own and may arrive after the cell has run."""
    for _ in range(10):
        lab.run_cell("shown = metrics")
        lab.page.wait_for_timeout(500)
        if words in lab.cell_output("shown = metrics"):
            return
    raise AssertionError(f"{words!r} not in {lab.cell_output('shown = metrics')!r}")


def check_the_first_error_is_marked_beside_the_score(lab):
    table = lab.cell('you = "nothing yet"').get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(["step", "text", "score", "truth"])
    expect(table).to_contain_text("You: nothing yet. PRM: ")


def check_the_blind_spot_is_met(lab):
    assert "textbook rule: -1" in lab.cell_output("made_up_low =")
    assert "checker:       0" in lab.cell_output("made_up_low =")
    expect(lab.cell("(live_scores,) =").get_by_role("table")).to_contain_text("the truth: 0")


def check_the_figures_are_drawn_with_their_sentences(lab):
    for cell, words in (("Naming the first wrong step", "lowest at"),
                        ("Judged wrong if", "On validation traces F1 is highest"),
                        ("Rules, each at its", "lowest at"),
                        ("Simulated noise", "at a noise of 4: "),
                        ("Of steps with a right", "The share right exceeds")):
        plot = lab.cell(cell).locator(".js-plotly-plot")
        expect(plot).to_be_visible()
        expect(plot).to_contain_text(words)
    for theme in ("light", "dark"):
        lab.screenshot(f"07_threshold-{theme}", theme=theme, cell="Judged wrong if")


def check_the_threshold_is_slid_by_keyboard_and_python_knows(lab):
    section = lab.cell(EXPLORER).get_by_role("region", name="Threshold explorer")
    readout = section.locator(".prm-readout")
    before = readout.inner_text()
    section.get_by_role("slider").focus()
    lab.page.keyboard.press("Home")
    expect(readout).to_contain_text(re.compile(r"0\.000\s*0 of \d+ named exactly"))
    lab.page.keyboard.press("PageUp")
    lab.page.keyboard.press("ArrowRight")
    lab.page.keyboard.press("Shift+ArrowRight")
    expect(section).to_contain_text("Threshold 0.111")
    assert readout.inner_text() != before
    wait_for_python(lab, "rule 'threshold' at 0.111")


def check_a_missed_trace_is_picked_and_explained(lab):
    section = lab.cell(EXPLORER).get_by_role("region", name="Threshold explorer")
    rule = section.get_by_label("Rule")
    rule.focus()
    lab.page.keyboard.press("ArrowDown")
    expect(rule).to_have_value("drop")
    section.get_by_label("Misjudged").focus()
    lab.page.keyboard.press("Home")
    why = section.locator(".prm-why")
    expect(why).to_contain_text("The rule names no step; the truth is step")
    expect(section.get_by_role("table")).to_contain_text("✗ first error")
    wait_for_python(lab, "rule 'drop' at 0.111")
    for theme in ("light", "dark"):
        lab.screenshot(f"07_explorer-{theme}", theme=theme, cell=EXPLORER)


def check_the_static_twin_works_in_a_page_of_its_own(lab):
    cell = lab.cell("page = twin.frame(part")
    cell.locator("summary").focus()
    lab.page.keyboard.press("Enter")
    page = cell.frame_locator("iframe")
    page.get_by_role("slider").focus()
    lab.page.keyboard.press("End")
    expect(page.locator(".prm-readout")).to_contain_text("without 0.000")


def check_blank_exercises_say_not_attempted(lab):
    for name in ("find_error_step", "blind_spot", "mend", "processbench_f1", "choose", "chances",
                 "recovered"):
        assert "Not attempted" in lab.cell_output(f'check("07", "{name}"')


def check_the_quiz_by_keyboard(lab):
    quiz = lab.cell('exercises.quiz("07")')
    quiz.get_by_role("textbox", name="Your number").focus()
    lab.page.keyboard.type("3")
    lab.page.keyboard.press("Enter")
    expect(quiz).to_contain_text("✓ Right. 1 of")
