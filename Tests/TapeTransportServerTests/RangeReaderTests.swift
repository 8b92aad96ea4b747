import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@Suite("Ranges of the tape, read to their ends")
struct RangeReaderTests {
    /// A reader with a client of its own, and what it read.
    private final class Bench {
        let reader: RangeReader
        private let client: TapeClient
        private let rig: TapeRig
        /// Per range: the first ordinals of its packets; 0 for what is no packet.
        var ordinals: [[UInt64]] = []
        var sequences: [UInt64] = []

        init(_ tape: TapeServer, isRaw: Bool = false) throws {
            rig = try tape.rig()
            client = rig.client
            reader = try RangeReader(client, group: "test", isRaw: isRaw)
        }

        deinit { reader.close() }

        func open(
            _ filters: [String], from start: ReaderLane.Start = .first,
            to end: RangeReader.End = .stored, spansPartitions: Bool = false
        ) throws {
            let input = TapeReaders.Input(
                partition: Partition(0), stream: client.names.tickStream(0), filters: filters,
                spansPartitions: spansPartitions)
            ordinals.append([])
            #expect(try reader.open(input, from: start, to: end) == ordinals.count - 1)
        }

        func take(_ packet: RangeReader.Packet) {
            let header = try? packet.header.get()
            ordinals[packet.range].append(header?.firstOrdinal ?? 0)
            sequences.append(packet.sequence)
        }

        func turn() throws { try reader.receive(timeout: .milliseconds(5)) { take($0) } }

        func run(until condition: () throws -> Bool) throws {
            #expect(
                try eventually {
                    if try condition() { return true }
                    try turn()
                    return try condition()
                })
        }

        func runToEnd() throws { try run { reader.isOver } }
    }

    private func ticks(_ partition: String, _ source: String = "sim") -> String {
        "md.ticks.\(partition).\(source)"
    }

    @Test("a range has what is stored when it is opened, from its start on, and then it is over")
    func stored() throws {
        let tape = try TapeServer()
        let rig = try tape.openRig()
        #expect(rig.publishPackets(200, lane: 0))
        // The marker is the first message.
        let sixth = try #require(
            try rig.client.jetStream.message(stream: rig.stream, sequence: 7))
        let bench = try Bench(tape)
        try bench.open([ticks("0")])
        try bench.open([ticks("0")], from: .sequence(191))
        try bench.open([ticks("0")], from: .time(sixth.time))
        #expect(rig.publishPackets(1, lane: 0))
        try bench.runToEnd()
        #expect(bench.ordinals[0] == [1] + Array(1...200))
        #expect(bench.ordinals[1] == Array(190...200))
        #expect(bench.ordinals[2].first == 6)
    }

    @Test("a range of several subjects begins at its time, if one of them has no message before")
    func laterSubject() throws {
        let tape = try TapeServer()
        let rig = try tape.openRig()
        #expect(rig.publishPackets(10, lane: 0))
        let sixth = try #require(
            try rig.client.jetStream.message(stream: rig.stream, sequence: 7))
        let other = try tape.openRig(source: "other")
        #expect(other.publishPackets(5, lane: 0))
        #expect(rig.publishPackets(2, lane: 0))
        let bench = try Bench(tape)
        try bench.open([ticks("0"), ticks("0", "other")], from: .time(sixth.time))
        try bench.runToEnd()
        #expect(bench.ordinals[0] == Array(6...10) + [1] + Array(1...5) + [11, 12])
    }

    @Test("where nothing is stored a range is over at once, and begins no consumer")
    func empty() throws {
        let tape = try TapeServer()
        let rig = try tape.openRig()
        #expect(rig.publishPackets(3, lane: 0))
        rig.readers.close(0)
        let last = try #require(try rig.client.jetStream.message(stream: rig.stream, sequence: 4))
        let before = try rig.consumerNames()
        let bench = try Bench(tape)
        try bench.open([ticks("4")])
        try bench.open([ticks("0")], from: .sequence(5))
        try bench.open([ticks("0")], from: .time(last.time.advanced(byNanoseconds: 1)))
        #expect(bench.reader.isOver)
        #expect(try rig.consumerNames() == before)
    }

    @Test("a range ends at its sequence, or where its caller ends it")
    func ends() throws {
        let tape = try TapeServer()
        let rig = try tape.openRig()
        #expect(rig.publishPackets(9, lane: 0))
        let bench = try Bench(tape)
        try bench.open([ticks("0")], to: .sequence(5))
        try bench.runToEnd()
        #expect(bench.ordinals[0] == [1, 1, 2, 3, 4])
        try bench.open([ticks("0")], to: .never)
        while !bench.reader.isOver {
            try bench.reader.receive(timeout: .milliseconds(5)) { packet in
                bench.take(packet)
                if bench.ordinals[1].count == 3 { bench.reader.end(packet.range) }
            }
        }
        #expect(bench.ordinals[1] == [1, 1, 2])
    }

    @Test("from the end on it has what comes, also what came while there was no server")
    func fromTheEnd() throws {
        let tape = try TapeServer()
        let rig = try tape.openRig()
        #expect(rig.publishPackets(3, lane: 0))
        let bench = try Bench(tape)
        try bench.open([ticks("0")], from: .end, to: .never)
        try tape.server.restart()
        #expect(rig.publishPackets(2, lane: 0))
        try bench.run { bench.ordinals[0].count == 2 }
        try tape.server.restart()
        #expect(rig.publishPackets(2, lane: 0))
        try bench.run { bench.ordinals[0].count == 4 }
        #expect(bench.ordinals[0] == [4, 5, 6, 7])
    }

    @Test("held, a range passes on nothing; released, all of it")
    func hold() throws {
        let tape = try TapeServer()
        let rig = try tape.openRig()
        #expect(rig.publishPackets(300, lane: 0))
        let bench = try Bench(tape)
        try bench.open([ticks("0")])
        try bench.open([ticks("0")])
        while bench.ordinals[0].isEmpty {
            try bench.reader.receive(timeout: .milliseconds(5)) { packet in
                bench.take(packet)
                if packet.range == 0 { bench.reader.hold(0) }
            }
        }
        try bench.run { bench.reader.isOver(1) }
        #expect(bench.ordinals[0] == [1])
        try bench.reader.release(0) { bench.take($0) }
        try bench.runToEnd()
        #expect(bench.ordinals[0] == [1] + Array(1...300))
        #expect(bench.ordinals[1] == bench.ordinals[0])
    }

    /// Publishes something that is no packet, and a packet whose ordinals go back, between others.
    private func damage(_ rig: TapeRig) throws {
        #expect(rig.publishPackets(2, lane: 0))
        let other = try #require(SourceName("other"))
        try rig.publish("hello", to: rig.client.names.ticks(Partition(0), other))
        for first in [UInt64(50), 20] {
            try rig.publishMarker(of: other, startOrdinal: first, firstOrdinal: first, epoch: 1)
        }
        try rig.client.connection.flush(timeout: patience)
    }

    @Test("a range that cannot be read further says so, after all that came before")
    func damaged() throws {
        let tape = try TapeServer()
        let rig = try tape.openRig()
        try damage(rig)
        let bench = try Bench(tape)
        try bench.open([ticks("0", "*")])
        let error = #expect(throws: TapeRangeError.self) {
            while !bench.reader.isOver { try bench.turn() }
        }
        #expect(bench.ordinals[0] == [1, 1, 2])
        #expect(error?.description.contains("MD_TICKS_0 cannot be read further: ") == true)
        #expect(error?.isRetryable == false)
    }

    @Test("a raw range has whatever is stored, of all partitions, also over a new link")
    func raw() throws {
        let tape = try TapeServer()
        let rig = try tape.openRig()
        try rig.addLane(4)
        rig.publisher.open(lane: 1)
        #expect(rig.publishPackets(2, lane: 1))
        try damage(rig)
        let bench = try Bench(tape, isRaw: true)
        try bench.open([ticks("*", "*")])
        try bench.open([ticks("*", "*")], from: .end, to: .never)
        try bench.run { bench.reader.isOver(0) }
        #expect(bench.ordinals[0].sorted() == [0, 1, 1, 1, 1, 2, 2, 20, 50])
        #expect(bench.sequences == Array(1...9))
        try tape.server.restart()
        #expect(rig.publishPackets(1, lane: 0) && rig.publishPackets(1, lane: 1))
        try bench.run { bench.ordinals[1].count == 2 }
        try tape.server.restart()
        #expect(rig.publishPackets(1, lane: 0))
        try bench.run { bench.ordinals[1].count == 3 }
        #expect(bench.ordinals[1] == [3, 3, 4])
    }

    @Test(
        "a stream that is deleted or made again ends a range with an error",
        arguments: [true, false], [true, false])
    func deleted(isRaw: Bool, isMadeAgain: Bool) throws {
        let tape = try TapeServer()
        let rig = try tape.openRig()
        #expect(rig.publishPackets(2, lane: 0))
        let bench = try Bench(tape, isRaw: isRaw)
        try bench.open([ticks("0")], to: .never)
        try bench.run { bench.ordinals[0].count == 3 }
        try rig.api("STREAM.DELETE.\(rig.stream)")
        if isMadeAgain { try rig.client.ensureTickStreams(bytesMax: 1 << 20) }
        let error = #expect(throws: TapeRangeError.self) { try bench.run { false } }
        let reason =
            isMadeAgain ? "the stream was created again" : "there is no stream MD_TICKS_0"
        #expect(error?.description.contains(reason) == true)
    }
}
