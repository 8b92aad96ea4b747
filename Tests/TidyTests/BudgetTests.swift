import Foundation
import Testing

/// How much code, how many words and how much processor time there are, is in `.ci/budget.json`.
/// The scripts that count are written in Python, and so are their tests.
@Suite struct BudgetTests {
    @Test("the budget is that of this tree, and a growth of more than a tenth has its reason")
    func kept() throws { try run("budget.py", "--check") }

    @Test("figures, growth and table of a budget follow from the texts")
    func counted() throws { try run("budget_tests.py") }

    /// Runs a script of `.ci`. What it prints is what is to be done when it fails.
    private func run(_ script: String, _ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "\(Repository.root)/.ci/\(script)"] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let said = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(said)")
    }
}
