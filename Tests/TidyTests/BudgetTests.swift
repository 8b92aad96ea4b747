import Testing

/// How much code, how many words and how much processor time there are, is in `.ci/budget.json`.
/// The scripts that count are written in Python, and so are their tests.
@Suite struct BudgetTests {
    @Test("the budget is that of this tree, and a growth of more than a tenth has its reason")
    func kept() throws { try Script.run("budget.py", "--check") }

    @Test("figures, growth and table of a budget follow from the texts")
    func counted() throws { try Script.run("budget_tests.py") }
}
