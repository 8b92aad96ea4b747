import Primitives
import Testing

@testable import TapeTransport

/// What the servers' own copies of a stream say when they are compared.
@Suite struct CopyComparisonTests {
    private func copy(_ first: UInt64, _ last: UInt64, _ messages: UInt64) -> CopyComparison.Copy {
        CopyComparison.Copy(firstSequence: first, lastSequence: last, messages: messages)
    }

    @Test("copies that are read at different moments of a busy stream do not differ")
    func moving() {
        var comparison = CopyComparison()
        for turn in UInt64(0)..<10 {
            let end = 100 + 50 * turn
            let found = comparison.look([
                "n0": copy(1, end, end), "n1": copy(1, end + 7, end + 7),
                "n2": copy(1, end + 9, end + 9),
            ])
            #expect(found.values.allSatisfy { $0 == .init(behind: 0, differs: false) })
        }
    }

    @Test("a copy that does not get what another had at the look before is behind")
    func behind() {
        var comparison = CopyComparison()
        _ = comparison.look(["n0": copy(1, 100, 100), "n1": copy(1, 90, 90)])
        let found = comparison.look(["n0": copy(1, 200, 200), "n1": copy(1, 95, 95)])
        #expect(found["n1"]?.behind == 5 && found["n0"]?.behind == 0)
        let later = comparison.look(["n0": copy(1, 300, 300), "n1": copy(1, 200, 200)])
        #expect(later["n1"]?.behind == 0)
    }

    @Test("a copy with a hole, or without its beginning, differs from the third look on")
    func differs() {
        for odd in [copy(1, 100, 99), copy(20, 100, 81)] {
            var comparison = CopyComparison()
            let world = ["n0": copy(1, 100, 100), "n1": odd, "n2": copy(1, 100, 100)]
            let looks = (0..<4).map { _ in comparison.look(world) }
            #expect(looks.map { $0["n1"]?.differs } == [false, false, true, true])
            #expect(looks.allSatisfy { $0["n0"]?.differs == false && $0["n2"]?.differs == false })
            // It was healed, and breaks again.
            let healed = world.mapValues { _ in copy(1, 100, 100) }
            #expect(comparison.look(healed)["n1"]?.differs == false)
            #expect(comparison.look(world)["n1"]?.differs == false)
        }
    }

    @Test("the leader's copy differs where the two others agree; two copies judge nobody")
    func majority() {
        var comparison = CopyComparison()
        let world = ["n0": copy(1, 9, 5), "n1": copy(1, 9, 9), "n2": copy(1, 9, 9)]
        for _ in 0..<3 { _ = comparison.look(world) }
        #expect(comparison.look(world).filter(\.value.differs).map(\.key) == ["n0"])
        var pair = CopyComparison()
        for _ in 0..<5 {
            let found = pair.look(["n0": copy(1, 9, 5), "n1": copy(1, 9, 9)])
            #expect(found.values.allSatisfy { !$0.differs })
        }
    }

    @Test("an empty stream, and the largest numbers, are compared like any other")
    func borders() {
        #expect(copy(0, 0, 0).holes == 0 && copy(8, 7, 0).holes == 0)
        #expect(copy(0, .max, 3).holes == 0, "no stream has so many")
        #expect(copy(1, .max, 3).holes == UInt64.max - 3)
        var comparison = CopyComparison()
        let servers = (0..<20).map { ("s\($0 + 10)", copy(1, 1, 1)) }
        #expect(
            comparison.look(Dictionary(uniqueKeysWithValues: servers)).count
                == CopyComparison.serversMax)
    }

    @Test("the copies in a monitor's answer; a name of two accounts is left out")
    func page() throws {
        let state = #""state":{"messages":4,"bytes":9,"first_seq":2,"last_seq":6}"#
        let page = try JSONValue.parse(
            """
            {"account_details":[{"name":"A","stream_detail":[{"name":"S",\(state)},
            {"name":"T",\(state)}]},{"name":"B","stream_detail":[{"name":"T",\(state)}]}]}
            """)
        #expect(CopyWatch.copies(page) == ["S": copy(2, 6, 4)])
        #expect(CopyWatch.copies(.null).isEmpty)
    }
}
