"""What a reader does in notebook 02: labels by keyboard, restarts, finds the labels again."""

import json
import urllib.request

from playwright.sync_api import expect

ANNOTATOR = "annotator = StepAnnotator(chosen, LABELS)"
BEFORE_IT = ("from tempfile import", 'LocalPolicy.load("policy")', "chosen = [trace")


def annotator(lab):
    return lab.cell(ANNOTATOR).get_by_role("region", name="Step annotator")


def saved(lab) -> list[list[int | None]]:
    """The ratings in the file beside the notebook, one list a trace."""
    url = f"{lab.base}/api/contents/runs/02_labels.jsonl?type=file&format=text"
    with urllib.request.urlopen(url, timeout=10) as answer:
        lines = json.load(answer)["content"].splitlines()
    steps = [json.loads(line)["label"]["steps"] for line in lines]
    return [[step["completions"][0]["rating"] for step in each] for each in steps]


def check_blank_exercises_say_not_attempted(lab):
    for name in ("split_steps", "prm800k_row", "targets", "kappa", "check_claim"):
        assert "Not attempted" in lab.cell_output(f'check("02", "{name}"')


def check_nobody_labelled_so_the_reader_is_simulated_and_it_says_so(lab):
    assert "SIMULATED reader and the checker agree on" in lab.cell_output("labelled, who =")
    expect(lab.cell("def compare(").get_by_role("table")).to_contain_text("SIMULATED")


def check_the_static_twin_works_in_a_page_of_its_own(lab):
    cell = lab.cell("twin.frame(")
    cell.locator("summary").focus()
    lab.page.keyboard.press("Enter")
    page = cell.frame_locator("iframe")
    expect(page.get_by_role("heading")).to_contain_text("Trace 1 of 6: 0 of")
    page.get_by_role("listitem").first.focus()
    lab.page.keyboard.press("1")
    expect(page.get_by_role("heading")).to_contain_text("Trace 1 of 6: 1 of")
    expect(page.get_by_role("button", name="Download labels")).to_be_visible()


def check_labels_given_by_keyboard_are_saved_at_once(lab):
    section = annotator(lab)
    section.get_by_role("listitem").first.focus()
    for key in "132":
        lab.page.keyboard.press(key)
    expect(section.locator(".prm-saved")).to_contain_text("3 saved in runs/02_labels.jsonl")
    lab.page.keyboard.press("n")
    expect(section.get_by_role("heading")).to_contain_text("Trace 2 of 6: 0 of")
    section.get_by_role("listitem").first.focus()
    lab.page.keyboard.press("3")
    expect(section.locator(".prm-saved")).to_contain_text("4 saved in")
    first, second = saved(lab)
    assert first[:3] == [1, -1, 0]
    assert second[0] == -1
    for theme in ("light", "dark"):
        lab.screenshot(f"02_annotator-{theme}", theme=theme, cell=ANNOTATOR)


def check_a_label_is_taken_back_by_keyboard(lab):
    section = annotator(lab)
    before = saved(lab)
    section.get_by_role("listitem").nth(1).focus()
    lab.page.keyboard.press("1")
    expect(section.locator(".prm-saved")).to_contain_text("5 saved in")
    lab.page.keyboard.press("u")
    expect(section.locator(".prm-saved")).to_contain_text("4 saved in")
    expect(section.locator(".prm-live")).to_contain_text("Undone. Step 1 of trace 2: no label.")
    assert saved(lab) == before


def check_two_labellers_are_compared_and_the_unsure_come_first(lab):
    cell = lab.cell("agreement.compare(first, exact, names")
    expect(cell.get_by_role("table").first).to_contain_text("One ")
    expect(lab.cell("02_unsure_first").get_by_role("heading")).to_contain_text("Trace 1 of ")
    lab.screenshot("02_disagreements", cell="agreement.compare(first, exact, names")


def check_the_quiz_by_keyboard(lab):
    quiz = lab.cell('exercises.quiz("02")')
    quiz.get_by_role("radio", name="Neutral").focus()
    lab.page.keyboard.press("Space")
    lab.page.keyboard.press("Enter")
    expect(quiz).to_contain_text("✓ Right. 1 of")


def check_a_kernel_restart_keeps_the_labels(lab):
    kept = saved(lab)
    shown = next(i for i, row in enumerate(kept) if None in row)  # where to go on labelling
    lab.restart()
    for cell in (*BEFORE_IT, ANNOTATOR):
        lab.run_cell(cell)
    section = annotator(lab)
    expect(section.get_by_role("heading")).to_contain_text(f"Trace {shown + 1} of 6")
    expect(section.locator("[aria-pressed=true]")).to_have_count(
        sum(label is not None for label in kept[shown]))
    lab.run_cell("reopened = StepAnnotator")
    assert lab.cell_output("reopened = StepAnnotator").startswith("4 of ")
    lab.run_cell("labelled, who =")
    assert "you and the checker agree on" in lab.cell_output("labelled, who =")
    assert saved(lab) == kept
