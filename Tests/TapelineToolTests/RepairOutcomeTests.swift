import MarketModel
import Primitives
import ServiceRuntime
import Testing

@testable import TapelineTool

@Suite("What came of a repair when the wait ends")
struct RepairOutcomeTests {
    private static func outcome(_ reach: RepairOutcome.Reach, bars: Int = 2) -> RepairOutcome {
        RepairOutcome(of: 7, reach, bars: bars, refusals: [])
    }

    @Test("new versions that are not stored in time are no success where a database is named")
    func notStored() {
        let late = Self.outcome(.unstored)
        #expect(late.state == .notStored && late.exitCode == .temporary)
        #expect(late.lines.first?.contains("on the tape, and not stored yet") == true)
        #expect(Self.outcome(.unstored, bars: 0).exitCode == .temporary)
        let stored = Self.outcome(.stored)
        #expect(stored.state == .repaired && stored.exitCode == .success)
        #expect(stored.lines == ["2 new versions of bars are stored"])
    }

    @Test("without a database it says that they are on the tape, and no more")
    func published() {
        let outcome = Self.outcome(.published)
        #expect(outcome.state == .repaired && outcome.exitCode == .success)
        #expect(outcome.lines == ["2 new versions of bars are on the tape"])
        #expect(Self.outcome(.waiting).state == .waiting)
        #expect(Self.outcome(.stored, bars: 0).state == .unchanged)
    }

    @Test("both the change and the bars have to be stored")
    func goal() {
        let goal = StoredPositions.Goal(
            ticks: StoredPositions.Goal.Packet(
                streamCreated: Timestamp(nanoseconds: 7), sequence: 10),
            bars: StoredPositions.Goal.Packet(
                streamCreated: Timestamp(nanoseconds: 8), sequence: 20))
        func isReached(_ rows: (String, String, String)...) -> Bool {
            goal.isReached(by: rows.map { [$0.0, $0.1, $0.2] })
        }
        #expect(isReached(("ticks", "7", "10"), ("bars", "8", "20")))
        #expect(!isReached(("ticks", "7", "9"), ("bars", "8", "20")))
        #expect(!isReached(("ticks", "7", "10"), ("bars", "8", "19")))
        #expect(!isReached(("bars", "8", "20")) && !isReached())
        var bars = goal
        bars.ticks = nil
        #expect(bars.isReached(by: [["bars", "8", "20"]]))
        // The position is still that of a stream that was there before.
        #expect(!isReached(("ticks", "6", "900"), ("bars", "8", "20")))
    }
}
