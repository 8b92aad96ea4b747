import Foundation
import MarketModel
import NatsTransport
import Primitives
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// The power of the tape's machine fails under load, and only the content of its disk is left.
@Suite(
    .enabled(
        if: CrashDisk.obstacle == nil, Comment(rawValue: CrashDisk.obstacle ?? "")), .serialized)
struct PowerCutTests {
    /// The size of each stream; the disk has space for five.
    private static let streamBytes: Int64 = 16 * 1_048_576

    /// Returns the sync interval of the shipped configuration, which defines what an
    /// acknowledgement means.
    static func shippedSyncInterval() throws -> String {
        let path = "\(ServerPrograms.checkout)/deploy/nats/server.conf"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        return String(try #require(text.firstMatch(of: /\n +sync_interval: (\w+)/)).1)
    }

    private func options(_ disk: CrashDisk, _ syncInterval: String) -> NatsServer.Options {
        var options = NatsServer.Options()
        options.store = disk.file("store")
        options.syncInterval = syncInterval
        return options
    }

    /// Cuts the power. The caller keeps the disk to the end of the test with
    /// `withExtendedLifetime`.
    private func cut(_ disk: CrashDisk, _ server: NatsServer) throws {
        server.pause()
        try disk.cut { server.kill() }
        try server.start()
    }

    @Test("a power cut keeps what was synced, and nothing else")
    func disk() throws {
        let disk = try CrashDisk(megabytes: 32)
        try disk.write(Array("kept".utf8), to: "kept")
        try disk.sync()
        try disk.write(Array("more".utf8), to: "gone")
        try disk.cut {}
        let kept = FileManager.default.contents(atPath: disk.file("kept"))
        #expect(kept == Data("kept".utf8))
        #expect(FileManager.default.contents(atPath: disk.file("gone"))?.isEmpty != false)
    }

    @Test("as we ship it: every acknowledged tick is there, and everybody goes on")
    func shipped() throws {
        let disk = try CrashDisk()
        let world = try FaultWorld(
            lanes: 6, seed: 1, bytesMax: Self.streamBytes,
            options(disk, try Self.shippedSyncInterval()))
        var random = SeededRandom(seed: 1)
        for round in 1...3 {
            #expect(world.work { world.acknowledgedPackets > round * 60 })
            // Anywhere between a packet and its acknowledgement.
            world.work(turns: Int.random(in: 0...30, using: &random))
            try cut(disk, world.tape.server)
        }
        world.work(turns: 40)
        try world.expectStoredAndTakenOnce("power cut, as shipped")
        withExtendedLifetime(disk) {}
    }

    @Test("with the server's default the loss is told: by the publisher, and by each reader")
    func byDefault() throws {
        let disk = try CrashDisk()
        let tape = try TapeServer(bytesMax: Self.streamBytes, options(disk, "2m"))
        let rig = try tape.openRig(lanes: 3)
        func publish(_ packets: Int) -> Bool {
            rig.offered.indices.allSatisfy { rig.publishPackets(packets, lane: $0, ticks: 2) }
                && rig.run { rig.offered.indices.allSatisfy(rig.hasTakenAll) }
        }
        #expect(publish(10))
        try disk.sync()
        #expect(publish(20))
        try cut(disk, tape.server)
        #expect(rig.run { rig.offered.indices.allSatisfy { rig.readers.problem($0) != nil } })
        for lane in rig.offered.indices {
            let problem = rig.readers.problem(lane)
            // A marker, ten packets that were synced, and twenty that were not.
            #expect(problem == .positionAboveEnd(sequence: 31, last: 11), "\(lane): \(problem)")
            #expect(rig.takenIDs[lane] == Array(1...60), "what was read stays read once")
            #expect(rig.publishPackets(1, lane: lane))
        }
        for subject in rig.offered.indices.map({ tape.names.ticks(Partition($0), rig.source) }) {
            let lines = rig.log.lines(with: "tape.rolled_back").filter { $0.contains(subject) }
            #expect(lines.count == 1, "\(lines)")
            let line = try JSONValue.parse(Array(try #require(lines.first).utf8))
            #expect(line["lost.first"]?.int == 21 && line["lost.last"]?.int == 60)
        }
        #expect(rig.log.count("tape.reader.stopped") == 3)
        withExtendedLifetime(disk) {}
    }

    @Test("with the server's default the streams themselves may be gone: nobody goes on in silence")
    func streamsGone() throws {
        let disk = try CrashDisk()
        let tape = try TapeServer(bytesMax: Self.streamBytes, options(disk, "2m"))
        let rig = try tape.openRig()
        rig.pass(20)
        try cut(disk, tape.server)
        rig.offer(0)
        #expect(rig.run { rig.log.count("does not exist yet") > 0 })
        #expect(rig.run { rig.publisher.trouble != nil })
        try rig.client.ensureTickStreams(bytesMax: Self.streamBytes)
        #expect(rig.run { rig.publisher.isIdle && rig.readers.problem(0) != nil })
        guard case .streamRecreated = rig.readers.problem(0) else {
            Issue.record("\(String(describing: rig.readers.problem(0)))")
            return
        }
        #expect(rig.log.lines(with: "tape.rolled_back").first?.contains("\"lost.last\":20") == true)
        withExtendedLifetime(disk) {}
    }
}
