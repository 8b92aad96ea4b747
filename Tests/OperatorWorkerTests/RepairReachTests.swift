import MarketModel
import Primitives
import Testing

@testable import OperatorWorker

/// A table of whether a tape reaches back far enough for a repair.
@Suite("How far back a tape reaches")
struct RepairReachTests {
    private typealias Packet = RepairReach.Packet

    private func source(_ name: String) throws -> SourceName { try #require(SourceName(name)) }

    private func packet(_ sequence: UInt64, _ time: Int64, _ ordinal: UInt64) -> Packet {
        Packet(
            sequence: sequence, sendTime: Timestamp(nanoseconds: time), firstOrdinal: ordinal)
    }

    /// Reading begins at 1,000 with packet 50.
    private func shortfall(
        _ starts: [(String, Packet?, Packet?)], firstOfSource: [String: UInt64], margin: Int64 = 100
    ) throws -> String? {
        var reading = RepairReach.Reading(
            first: 50, start: Timestamp(nanoseconds: 1_000), margin: margin)
        for (name, sequence) in firstOfSource { reading.firstOfSource[try source(name)] = sequence }
        return RepairReach(
            starts: try starts.map { name, first, second in
                RepairReach.Start(source: try source(name), first: first, second: second)
            }
        ).shortfall(reading)
    }

    @Test("a source whose first packet stood there in time is whole")
    func inTime() throws {
        #expect(try shortfall([("a", packet(9, 900, 5), nil)], firstOfSource: ["a": 50]) == nil)
        #expect(try shortfall([("a", packet(9, 901, 5), nil)], firstOfSource: ["a": 50]) != nil)
        #expect(
            try shortfall([("a", packet(9, 901, 5), nil)], firstOfSource: ["a": 50], margin: 0)
                == nil)
        #expect(try shortfall([("a", packet(50, 10, 5), nil)], firstOfSource: ["a": 50]) != nil)
        #expect(try shortfall([("a", packet(50, 2_000, 1), nil)], firstOfSource: ["a": 50]) == nil)
    }

    @Test("on a tape that was made again, a source is whole since the stream was made")
    func restored() throws {
        for (made, isWhole) in [(Int64(1_000), true), (900, true), (1_001, false)] {
            var first = packet(60, 1_500, 70)
            first.streamMade = Timestamp(nanoseconds: made)
            let found = try shortfall([("a", first, nil)], firstOfSource: ["a": 61])
            #expect((found == nil) == isWhole, "\(made): \(found ?? "")")
            #expect(found?.contains("an hour") != true)
        }
        // The same packet, where retention may have removed those before it.
        #expect(
            try shortfall([("a", packet(60, 1_500, 70), nil)], firstOfSource: ["a": 61]) != nil)
    }

    @Test("a source that lacks its old packets is no reason when the partition reaches back")
    func old() throws {
        // Requests of people. The first one still on the tape is of the day itself.
        let people = ("manual", Optional(packet(60, 1_500, 6)), Packet?.none)
        let busy = ("a", Optional(packet(9, 500, 70)), Optional(packet(10, 501, 75)))
        #expect(try shortfall([people], firstOfSource: ["manual": 60]) != nil)
        #expect(try shortfall([busy, people], firstOfSource: ["manual": 60]) == nil)
        #expect(try shortfall([busy, people], firstOfSource: ["manual": 60, "a": 50]) == nil)
        // A packet may be on the tape only because it was the newest.
        let quiet = ("a", Optional(packet(9, 500, 70)), Packet?.none)
        #expect(try shortfall([quiet, people], firstOfSource: ["manual": 60, "a": 52]) != nil)
        let late = ("a", Optional(packet(9, 500, 70)), Optional(packet(40, 950, 75)))
        #expect(try shortfall([late, people], firstOfSource: ["manual": 60]) != nil)
        let behind = ("a", Optional(packet(9, 500, 70)), Optional(packet(51, 800, 75)))
        #expect(try shortfall([behind, people], firstOfSource: ["manual": 60]) != nil)
    }

    @Test("the reason names the source, where it begins, and how far back repairs reach")
    func reason() throws {
        let reason = try #require(
            try shortfall([("a", packet(60, 2_000, 5), nil)], firstOfSource: ["a": 60]))
        #expect(reason.hasPrefix("the tape of a begins at 1970-01-01T00:00:00.000002"))
        #expect(reason.contains("an hour behind that repairs reach back to"))
        let gone = try shortfall([("a", nil, nil)], firstOfSource: ["a": 60])
        #expect(gone == "the tape of a was emptied meanwhile")
    }

    @Test("a queue takes out at the front what was put in at the end, in order")
    func queue() {
        var queue = PopQueue<Int>()
        var (next, expected) = (0, 0)
        for round in 1...200 {
            for _ in 0..<round % 7 {
                queue.append(next)
                next += 1
            }
            let out = min(queue.count, round % 5)
            for place in 0..<out { #expect(queue[place] == expected + place) }
            queue.removeFirst(out)
            expected += out
            #expect(queue.count == next - expected)
            #expect(queue.last == (queue.isEmpty ? nil : next - 1))
        }
    }
}
