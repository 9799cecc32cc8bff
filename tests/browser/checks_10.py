"""What a reader does in notebook 10: reads formats, looks at the judges, is quizzed."""

from playwright.sync_api import expect


def check_the_formats_agree(lab):
    said = lab.cell_output("read = {")
    assert said.count("-> first error 1") == 5
    assert "2 skipped and counted" in lab.cell_output("reading.n_skipped")


def check_without_real_files_it_says_what_to_get_and_shows_the_record(lab):
    assert lab.cell_output('REAL = Path("real_data")').count("not there") == 3
    assert "three hand-written traces: F1" in lab.cell_output("yours = list(")
    assert "neither real_data/prm nor" in lab.cell_output("public_prm =")
    assert "measure_human_data.py" in lab.cell_output("human = json.loads(")


def check_the_prm_does_not_transfer_and_the_page_says_so(lab):
    said = lab.cell_output("n_read = sum(")
    assert "You predicted nothing yet" in said
    assert "is not told from a coin" in said
    table = lab.cell("Our PRM outside its world").get_by_role("table")
    expect(table).to_contain_text("Our PRM outside its world")


def check_the_figures_are_drawn_with_their_sentences(lab):
    for cell, words in (("Does a right step score above", "is highest at"),
                        ("Arithmetic checker by class", "is highest at"),
                        ("How much of its F1 a PRM loses", "loses most"),
                        ("Best of 8, our grading", "oracle is highest at")):
        plot = lab.cell(cell).locator(".js-plotly-plot")
        expect(plot).to_be_visible()
        expect(plot).to_contain_text(words)
    for theme in ("light", "dark"):
        lab.screenshot(f"10_auroc-{theme}", theme=theme, cell="Does a right step score above")
        lab.screenshot(f"10_classes-{theme}", theme=theme, cell="Arithmetic checker by class")
        lab.screenshot(f"10_lost-{theme}", theme=theme, cell="How much of its F1 a PRM loses")
        lab.screenshot(f"10_transfer-{theme}", theme=theme, cell="Our PRM outside its world")


def check_the_server_answers_on_this_machine(lab):
    said = lab.cell_output("server = ThreadingHTTPServer")
    assert "'n': 4" in said
    assert said.count("first error") == 4


def check_an_exercise_is_solved_by_keyboard(lab):
    cell = lab.cell('exercises.check("10", "label_hours"')
    assert "Not attempted" in lab.cell_output('exercises.check("10", "label_hours"')
    cell.locator(".cm-content").focus()
    lab.page.keyboard.press("Control+a")
    lab.page.keyboard.insert_text(
        'exercises.check("10", "label_hours", lambda t, s, r, k, v, g: '
        "t * s * r * k / (v * g))")
    lab.page.keyboard.press("Control+Enter")
    expect(cell).to_contain_text("You returned seconds")


def check_blank_exercises_say_not_attempted(lab):
    for name in ("first_error_of", "carried", "prm_score", "read_scores"):
        assert "Not attempted" in lab.cell_output(f'check("10", "{name}"')


def check_the_quiz_by_keyboard(lab):
    quiz = lab.cell('exercises.quiz("10")')
    quiz.get_by_role("textbox", name="Your number").first.focus()
    lab.page.keyboard.type("2")
    lab.page.keyboard.press("Enter")
    expect(quiz).to_contain_text("✓ Right. 1 of")
    for theme in ("light", "dark"):
        lab.screenshot(f"10_quiz-{theme}", theme=theme, cell='exercises.quiz("10")')
