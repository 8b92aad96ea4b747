import Foundation
import MarketModel
import NatsTransport
import Primitives
import Seeds
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// The Python package as a reader of the tape, with its own transport.
extension DeskPackageTests {
    /// Puts the packets onto the tape, in their order.
    static func publish(_ packets: [[UInt8]], to tape: TestTape) throws {
        let messages = packets.enumerated().map {
            IdentifiedMessage(payload: $1, id: "\($0)")
        }
        let published = tape.client.jetStream.publish(
            messages, to: "\(tape.names.namespace).ticks.1.test")
        #expect(published.failure == nil && published.outcomes.count == packets.count)
    }

    @Test("the same selection of the tape, a recording and the database gives equal frames")
    func tape() throws {
        let scene = try StoreScene("writer_desk_tape")
        let seed = Seeds.one()
        print("TAPELINE_SEED=\(seed)")
        var tape = DeskTape(seed: seed)
        let longer = try tape.packets(60, gapsAt: 20)
        let packets = Array(longer.prefix(40))
        try scene.write(packets)
        try Self.publish(packets, to: scene.bench.tape)
        var torn = packets
        torn.remove(at: 20)
        let server = scene.bench.tape.server
        try Self.publish(torn, to: TestTape(server, namespace: "torn"))
        let purged = try TestTape(server, namespace: "purged")
        try Self.publish(packets, to: purged)
        _ = try purged.client.jetStream.purge(stream: "PURGED_TICKS_1", below: 11)
        try Self.publish(longer, to: TestTape(server, namespace: "longer"))
        let cut = try TestTape(server, namespace: "cut")
        try Self.publish(longer, to: cut)
        _ = try cut.client.jetStream.purge(stream: "CUT_TICKS_1", below: 51)
        let folder = try TemporaryFolder("tape")
        try Data(tape.recording(packets)).write(to: URL(fileURLWithPath: folder.file("day.tape")))
        try expectPassed(
            ["same", folder.file("day.tape"), "torn", "purged", "longer", "cut"],
            scene.bench.environment().merging([
                "DESK_TICK_STREAMS": "\(TapeNames.tickStreams)"
            ]) { $1 }, script: "desk_tape.py")
    }
}
