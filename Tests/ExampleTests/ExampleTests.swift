import Foundation
import TestSupport
import Testing

/// The folders of `Samples` that a person runs by what their README says.
@Suite("The examples")
struct ExampleTests {
    private static let folder = "\(ServerPrograms.checkout)/Samples"
    /// A package of Swift, which `SampleTests` runs.
    private static let package = "tapeline-sample"

    private static func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).filter {
            $0 != package && FileManager.default.fileExists(atPath: "\(folder)/\($0)/README.md")
        }.sorted()
    }

    /// They run at the same time, because most of their time is waiting. The longest begins first.
    @Test("each does what its README says, and prints what it shows")
    func all() throws {
        let names = try Self.names().sorted { $0 == "fail-over" && $1 != "fail-over" }
        let runs = try names.map { name in
            let run = try ExampleRun(name)
            run.waitForFirstStep()
            return run
        }
        #expect(runs.count >= 6)
        for run in runs {
            let problems = run.problems()
            #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
        }
    }

    @Test("the list of examples has each folder, and the other documents name the list")
    func list() throws {
        let list = try String(contentsOfFile: "\(Self.folder)/README.md", encoding: .utf8)
        for name in try Self.names() + [Self.package] {
            #expect(list.contains("[\(name)](\(name)/README.md)"), "\(name)")
        }
        for document in ["README.md", "docs/README.md"] {
            let text = try String(
                contentsOfFile: "\(ServerPrograms.checkout)/\(document)", encoding: .utf8)
            #expect(text.contains("Samples/README.md"), "\(document)")
        }
    }
}

@Suite("What the README of an example says")
struct ExampleReadmeTests {
    private static let markdown = """
        # a
        ```yaml
        no: command
        ```
        ```sh
        one
        two
        ```
        ```text
        1…
        ```
        then
        ```sh
        three
        ```
        """

    @Test("commands are the blocks of sh, and their output the block of text after them")
    func steps() {
        let readme = ExampleReadme(Self.markdown)
        #expect(
            readme.steps == [
                .init(commands: ["one", "two"], printed: ["1…"]), .init(commands: ["three"]),
            ])
        #expect(readme.script.hasPrefix("set -e\n"))
        #expect(readme.script.hasSuffix("\necho '@@ step 0'\none\ntwo\necho '@@ step 1'\nthree"))
    }

    @Test(
        "what was printed is compared step by step",
        arguments: [
            ("@@ step 0\n12\n@@ step 1\nx\n", []),
            ("@@ step 0\n2\n@@ step 1\n", ["step 1 (one): no line '1…' where it was expected"]),
            ("@@ step 0\n1\n", ["step 2 (three) did not begin"]),
        ])
    func problems(_ output: String, _ problems: [String]) {
        #expect(ExampleReadme(Self.markdown).problems(output) == problems)
    }

    @Test(
        "lines are compared in order; … is any text, and ... any lines",
        arguments: [
            (["a"], ["a"], true), (["a"], ["a", ""], true), (["a"], ["a", "b"], false),
            (["a", "..."], ["a", "b"], true), (["...", "b"], ["a", "b"], true),
            (["b"], ["a", "b"], false),
            (["a  b"], [" a b"], true), (["a", "b"], ["b", "a"], false), (["a"], [], false),
            (["… rows"], ["12 rows"], true), (["1…2…3"], ["1x2y3"], true),
            (["1…2…3"], ["1x3y2"], false), (["a…a"], ["a"], false), (["1…"], ["21"], false),
        ] as [([String], [String], Bool)])
    func lines(_ expected: [String], _ printed: [String], _ isRight: Bool) {
        #expect((PrintedText(expected).difference(from: printed) == nil) == isRight)
    }
}
