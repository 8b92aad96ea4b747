import MarketModel
import Primitives
import ProviderKit
import ServiceTestSupport
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

@Suite("Gaps and gateways that are killed")
struct GapKillTests {
    private static let names = ["AAPL", "SPY", "MSFT"]
    private static let kills = 8

    /// The gaps of one instrument, second by second.
    private struct Truth: Equatable {
        var missing: Set<Int64> = []
        var openFrom: Int64?
    }

    /// Returns the gaps that follow from the records on the tape, in their order, computed without
    /// the gateway's code.
    private func truth(_ gaps: [String]) throws -> [Truth] {
        var truth = Self.names.map { _ in Truth() }
        for gap in gaps {
            let words = gap.split(separator: " ")
            let place = try #require(Self.names.firstIndex(of: String(words[0])))
            let times = words[2].split(separator: "-", omittingEmptySubsequences: false)
            let from = try #require(Int64(times[0]))
            switch (words[1], Int64(times[1])) {
            case ("open", nil): truth[place].openFrom = from
            case ("open", let to?):
                truth[place].openFrom = nil
                truth[place].missing.formUnion(from..<to)
            case ("filled", let to?), ("abandoned", let to?):
                truth[place].missing.subtract(from..<to)
            default: continue
            }
        }
        return truth
    }

    private func handed(_ script: FeedScript, _ gaps: [OpenGap]) -> [Truth] {
        var truth = Self.names.map { _ in Truth() }
        for gap in gaps {
            let (place, from) = (Int(gap.instrument), script.second(gap.from))
            if gap.to.isDefined {
                truth[place].missing.formUnion(from..<script.second(gap.to))
            } else {
                truth[place].openFrom = from
            }
        }
        return truth
    }

    /// Returns the next record of a provider for one instrument, or `nil` for none.
    private func next(
        _ script: FeedScript, _ place: Int, _ second: Int64, _ state: inout Truth,
        _ random: inout SeededRandom
    ) -> ProviderRecord? {
        let number = UInt32(place)
        switch (random.next() % 3, state.openFrom, state.missing.min()) {
        case (0, nil, _):
            state.openFrom = second
            return script.gap(number, second, nil)
        case (1, let from?, _):
            state.openFrom = nil
            state.missing.formUnion(from..<second)
            return script.gap(number, from, second)
        case (2, _, let from?):
            var to = from + 1
            while state.missing.contains(to), random.next() % 4 != 0 { to += 1 }
            state.missing.subtract(from..<to)
            return script.gap(number, from, to, random.next() % 3 == 0 ? .abandoned : .filled)
        default: return nil
        }
    }

    @Test(
        "killed again and again, no gap is forgotten, and none that is settled comes back",
        arguments: [UInt64.random(in: 1_000...999_999)])
    func killed(seed: UInt64) throws {
        print("gateways with gaps killed: seed \(seed)")
        var random = SeededRandom(seed: seed)
        let script = FeedScript(tape: try TestTape(try NatsServer(), namespace: "gapkill"))
        var second: Int64 = 100
        for turn in 0..<Self.kills {
            let before = try script.feedOnTape().gaps
            let tenure = try script.open(Self.names)
            var state = handed(script, tenure.began.order.gaps)
            let told = try truth(before)
            #expect(state == told, "seed \(seed), turn \(turn)")
            var records: [ProviderRecord] = []
            for _ in 0..<60 {
                second += Int64(random.next() % 4) + 1
                let place = Int(random.next() % UInt64(Self.names.count))
                if let record = next(script, place, second, &state[place], &random) {
                    records.append(record)
                }
            }
            let wanted = before.count + Int(random.next() % UInt64(records.count + 1))
            script.send(records, tenure, floor: second)
            #expect(try eventually { try script.feedOnTape().gaps.count >= wanted })
            try tenure.kill()
        }
    }
}
