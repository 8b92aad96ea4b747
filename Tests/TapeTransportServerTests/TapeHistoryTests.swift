import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@Suite struct TapeHistoryTests {
    private func subject(_ tape: TapeServer) throws -> String {
        tape.names.ticks(Partition(0), try #require(SourceName("sim")))
    }

    @Test("the last content is found behind the markers of owners who wrote nothing")
    func stepsOverMarkers() throws {
        let tape = try TapeServer()
        let subject = try subject(tape)
        let first = try tape.openRig()
        let stream = first.stream
        #expect(try first.client.lastContent(stream: stream, subject: subject) == nil)
        #expect(first.run { first.publisher.isReady(lane: 0) })
        #expect(try first.client.lastContent(stream: stream, subject: subject) == nil, "a marker")
        #expect(first.publishPackets(3, lane: 0, ticks: 2))
        for _ in 0..<4 {
            let next = try tape.openRig()
            #expect(next.run { next.publisher.isReady(lane: 0) })
        }
        let last = try #require(try first.client.lastPacket(stream: stream, subject: subject))
        #expect(last.header.flags == .epochMarker && last.header.epoch == 5)
        #expect(last.last.nextOrdinal == 7)
        let content = try #require(try first.client.lastContent(stream: stream, subject: subject))
        #expect(content.header.epoch == 1 && content.header.firstOrdinal == 5)
        #expect(content.header.tickCount == 2 && content.last.sequence == 4)
        #expect(content.withBytes { $0.byteCount } == Int(content.header.byteCount))
        // Of several subjects the same, in their order.
        let places = [
            (stream: stream, subject: "md.ticks.0.other"), (stream: stream, subject: subject),
        ]
        let runs = try first.client.lastPacketsOfEach(places)
        #expect(runs.map { $0.map(\.header.epoch) } == [[], [5, 4, 3, 2, 1]])
        let lasts = try first.client.lastPacketOfEach(places)
        #expect(lasts.map { $0?.header.epoch } == [nil, 5])
    }

    @Test("a marker whose predecessor was purged, or is another subject's, ends the search")
    func purged() throws {
        let tape = try TapeServer()
        let subject = try subject(tape)
        let first = try tape.openRig()
        #expect(first.publishPackets(3, lane: 0))
        let second = try tape.openRig()
        #expect(second.run { second.publisher.isReady(lane: 0) })
        try second.api("STREAM.PURGE.\(second.stream)", #"{"keep":1}"#)
        let client = second.client
        #expect(try client.lastContent(stream: second.stream, subject: subject) == nil)
        #expect(
            try client.lastPacket(stream: second.stream, subject: subject)?.last.nextOrdinal == 4)
        #expect(try client.lastPacket(stream: second.stream, subject: "md.ticks.0.other") == nil)
    }

    @Test("what is no packet is an error that names its place")
    func undecodable() throws {
        let tape = try TapeServer()
        let subject = try subject(tape)
        let rig = try tape.rig()
        try rig.publish("hello", to: subject)
        try rig.client.connection.flush(timeout: patience)
        #expect(throws: PacketError.self) {
            try rig.client.lastPacket(stream: rig.stream, subject: subject)
        }
    }
}
