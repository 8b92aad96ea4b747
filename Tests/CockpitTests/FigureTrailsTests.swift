import Primitives
import TestSupport
import Testing

@testable import Cockpit

@Suite("The lines of the numbers") struct FigureTrailsTests {
    /// What was known so many seconds after the first look.
    struct Seen: Sendable {
        let seconds: Double
        let ticks: Double?
        let behind: Double?
    }

    /// Looks, and what the lines of the ticks and of the operators then have.
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        let seen: [Seen]
        let ticks: [Double?]
        let behind: [Double?]
        var testDescription: String { name }
    }

    private static func every(_ seconds: Double, to end: Double) -> [Seen] {
        stride(from: 0, through: end, by: seconds).map { Seen(seconds: $0, ticks: $0, behind: 0) }
    }

    static let cases = [
        Case(name: "nobody has looked", seen: [], ticks: [], behind: []),
        Case(
            name: "the first slot goes on",
            seen: [Seen(seconds: 0, ticks: 3, behind: 0), Seen(seconds: 4.5, ticks: 4, behind: 0)],
            ticks: [], behind: []),
        Case(
            name: "of a slot the last rate stands, and the worst delay",
            seen: [
                Seen(seconds: 0, ticks: 300, behind: 0.1), Seen(seconds: 1, ticks: 301, behind: 7),
                Seen(seconds: 2, ticks: 302.4, behind: 0.2), Seen(seconds: 5, ticks: 9, behind: 1),
            ], ticks: [302], behind: [7]),
        Case(
            name: "what is not known is a hole, and no nought",
            seen: [
                Seen(seconds: 0, ticks: 3, behind: nil), Seen(seconds: 5, ticks: nil, behind: nil),
                Seen(seconds: 10, ticks: 5, behind: 0.123), Seen(seconds: 15, ticks: 1, behind: 1),
            ], ticks: [3, nil, 5], behind: [nil, nil, 0.12]),
        Case(
            name: "while nobody looks there is a hole",
            seen: [
                Seen(seconds: 0, ticks: 3, behind: 0), Seen(seconds: 15, ticks: 4, behind: 0),
                Seen(seconds: 20, ticks: 5, behind: 0),
            ], ticks: [3, nil, nil, 4], behind: [0, nil, nil, 0]),
        Case(
            name: "an infinite number is none",
            seen: [
                Seen(seconds: 0, ticks: .infinity, behind: .nan),
                Seen(seconds: 5, ticks: 1, behind: 1),
            ], ticks: [nil], behind: [nil]),
        Case(
            name: "a clock that goes back begins nothing",
            seen: [
                Seen(seconds: 5, ticks: 3, behind: 0), Seen(seconds: 0, ticks: 4, behind: 0),
                Seen(seconds: 10, ticks: 5, behind: 0),
            ], ticks: [4], behind: [0]),
    ]

    private static func trails(_ seen: [Seen]) -> FigureTrails {
        var trails = FigureTrails()
        for one in seen {
            let at = MadeSighting.time(one.seconds)
            trails.note(
                [
                    .init(
                        name: "a", value: nil, measuredAt: at, line: .ticks, number: one.ticks),
                    .init(
                        name: "b", value: nil, measuredAt: at, line: .operators,
                        number: one.behind),
                    .init(name: "c", value: "1", measuredAt: at),
                ], at: at)
        }
        return trails
    }

    private static func values(_ name: String, _ trails: FigureTrails) throws -> [Double?] {
        let json = try JSONValue.parse(trails.json)
        return (json.at("lines", name)?.array ?? []).map(\.double)
    }

    @Test("a line has what was seen, slot by slot", arguments: FigureTrailsTests.cases)
    func line(_ given: Case) throws {
        let trails = Self.trails(given.seen)
        #expect(try Self.values("ticks", trails) == given.ticks)
        #expect(try Self.values("operators", trails) == given.behind)
        let others = try Self.values("room", trails)
        #expect(others == Array(repeating: nil, count: given.ticks.count))
    }

    @Test("all lines are as long, and never longer than 15 minutes, however long nobody looked")
    func bounds() throws {
        for seen in [
            Self.every(5, to: 7_200),
            Self.every(5, to: 10) + [Seen(seconds: 1e9, ticks: 1, behind: 1)],
        ] {
            let json = try JSONValue.parse(Self.trails(seen).json)
            for line in FigureTrails.Line.allCases {
                let values = json.at("lines", line.rawValue)?.array
                #expect(values?.count == FigureTrails.slotsMax - 1, "\(line)")
            }
        }
        let seconds = Double(FigureTrails.slotsMax) * Double(FigureTrails.slotNanoseconds) / 1e9
        #expect(seconds == 900)
    }

    @Test("the document changes when a slot ends, and says when that was")
    func document() throws {
        var seen = Self.every(1, to: 12)
        let before = Self.trails(seen).json
        seen.append(Seen(seconds: 14.9, ticks: 99, behind: 99))
        #expect(Self.trails(seen).json == before)
        #expect(try JSONValue.parse(before)["at"]?.double == 1_010)
        seen.append(Seen(seconds: 15, ticks: 1, behind: 0))
        #expect(Self.trails(seen).json != before)
    }

    @Test("the numbers of the first page continue their lines; what is not alive has none")
    func figures() {
        var maker = OverviewMaker()
        for second in stride(from: 8.0, to: 12, by: 1) {
            var sighting = MadeSighting.well(second)
            sighting.groups[1].read = UInt64(second * 70)
            _ = maker.make(sighting)
        }
        var sighting = MadeSighting.well(12)
        sighting.groups[1].read = 12 * 70
        sighting.groups[0].ticks = .init(records: 12_345, seconds: 6.5)
        let figures = maker.make(sighting).figures
        func number(_ line: FigureTrails.Line) -> Double? {
            figures.first { $0.line == line }?.number
        }
        #expect(number(.ticks) == 60 && number(.stored) == 70)
        #expect(number(.operators) == 6.5 && number(.writers) == 0 && number(.commit) == 0.4)
        #expect(figures.first { $0.line == .operators }?.value == "6.5 s (12,345)")
        sighting.natsProblem = "the connection is lost"
        let without = maker.make(sighting).figures
        for line in FigureTrails.Line.allCases where line != .commit && line != .room {
            #expect(without.first { $0.line == line }?.number == nil, "\(line)")
        }
    }
}
