import Testing

/// The tables of docs/metrics.md are made from the code, by a script of `.ci`.
@Suite struct PagesTests {
    @Test("docs/metrics.md is what the code says, and each metric is declared once")
    func made() throws { try Script.run("pages.py", "--check") }

    @Test("rows follow from the code")
    func rows() throws { try Script.run("pages_tests.py") }
}
