import Testing

/// Some rules are written in Python, and so are their tests.
@Suite struct ScriptTests {
    @Test(
        "what scripts make, count and look for is that of this tree, as their own tests say",
        arguments: [
            // How much code, how many words and how much processor time there are.
            (".ci/budget.py", ["--check"]), (".ci/budget_tests.py", []),
            // The tables of docs/metrics.md, of the code.
            (".ci/pages.py", ["--check"]), (".ci/pages_tests.py", []),
            // The faults that have to page somebody, and what each has to say.
            (".ci/alerts_tests.py", []),
            // The figures of stores that are away, full or blocked.
            (".ci/stores_tests.py", []),
            // The packages of Python, without their programs.
            (".ci/wheel_tests.py", []),
            // The place of each planted fault is in its source once.
            ("Tests/mutations/plant.py", ["--check"]),
        ])
    func script(path: String, arguments: [String]) throws {
        let (status, said) = try Program.run(
            ["python3", "\(Repository.root)/\(path)"] + arguments, withErrors: true)
        #expect(status == 0, "\(String(decoding: said, as: UTF8.self))")
    }
}
