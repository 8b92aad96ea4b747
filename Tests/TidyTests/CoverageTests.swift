import Foundation
import Testing

@Suite struct CoverageTests {
    @Test("every target is covered to the floor", .enabled(if: Coverage.path != nil))
    func floor() throws {
        let path = try #require(Coverage.path)
        let json = try Data(contentsOf: URL(fileURLWithPath: path))
        let coverage = try Coverage(json: json, root: Repository.root)
        let modules = Set(try Repository.tracked().swift.compactMap(\.module))
        for problem in coverage.problems(modules: modules) { Issue.record("\(problem)") }
    }

    private func coverage(_ files: [(String, Int, Int)]) throws -> Coverage {
        let entries = files.map {
            #"{"filename":"\#($0.0)","summary":{"lines":{"count":\#($0.1),"covered":\#($0.2)}}}"#
        }
        let json = #"{"data":[{"files":[\#(entries.joined(separator: ","))]}]}"#
        return try Coverage(json: Data(json.utf8), root: "/checkout")
    }

    @Test("lines are summed per target, of sources and services only")
    func sums() throws {
        let coverage = try coverage([
            ("/checkout/Sources/G/A/One.swift", 100, 90),
            ("/checkout/Sources/G/A/Sub/Two.swift", 100, 80),
            ("/checkout/services/b/Sources/Main.swift", 10, 9),
            ("/checkout/Tests/ATests/A.swift", 100, 0),
            ("/other/Sources/G/A/A.swift", 100, 0), ("/checkout/.build/x/runner.swift", 100, 0),
        ])
        #expect(coverage.targets.map(\.name) == ["A", "b"])
        #expect(coverage.targets.map(\.percent) == [85, 90])
        #expect(coverage.targets.first?.worst?.path == "Sources/G/A/Sub/Two.swift")
        #expect(coverage.problems(modules: ["A", "b"]).isEmpty)
    }

    @Test("a target below the floor is named, with the file to begin with")
    func low() throws {
        let coverage = try coverage([
            ("/checkout/Sources/G/A/One.swift", 1_000, 849),
            ("/checkout/Sources/G/A/Two.swift", 0, 0),
        ])
        let problems = coverage.problems(modules: ["A"])
        #expect(problems.count == 1)
        #expect(problems.first?.contains("A: 84.9 %") == true)
        #expect(problems.first?.contains("Sources/G/A/One.swift") == true)
    }

    @Test("a target that nothing measures is named")
    func missing() throws {
        let problems = try coverage([]).problems(modules: ["A"])
        #expect(problems.map { $0.hasPrefix("A: no test") } == [true])
    }

    @Test("another JSON is an error that says so")
    func malformed() {
        #expect(throws: Coverage.Malformed.self) {
            try Coverage(json: Data(#"{"data":7}"#.utf8), root: "/checkout")
        }
    }
}
