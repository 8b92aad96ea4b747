import MarketModel
import Primitives
import Testing

@testable import TapelineTool

@Suite("Times of 'tapeline repair'")
struct RepairTimesTests {
    private static let now = Timestamp(nanoseconds: 1_800_000_000_000_000_000)

    @Test("a time that has not passed is refused before anything is published")
    func future() throws {
        func parse(_ to: String) throws -> RepairCommand {
            try RepairCommand.parse(["A", "--from", "-1h", "--to", to], now: Self.now)
        }
        #expect(try parse("now").to == Self.now)
        #expect(
            complaint { try parse("2027-01-15T08:00:00.1Z") }.contains("--to lies in the future"))
        #expect(try parse("2027-01-15T07:59:59Z").to < Self.now)
    }
}
