import Foundation
import NatsTransport
import Primitives
import TapeProtocol
import TestSupport
import Testing

@testable import TapeTransport

/// Reading a server's own copy of the tape, on a real cluster with a broken disk.
@Suite struct CopyVerificationTests {
    private static let stream = "MD_TICKS_0"

    /// Compares a node's copy of the stream with what its leader says, from a sequence on.
    private func verify(_ rig: TapeRig, _ node: Int, from: UInt64 = 1) throws -> CopyCheck {
        let info = try #require(try rig.client.jetStream.streamInfo(Self.stream))
        var pace = CopyVerification.Pace(bytesPerSecond: 1 << 30)
        pace.from = from
        return try #require(
            try CopyVerification(rig.client.jetStream, pace) { _ in false }
                .check(info, on: NatsCluster.name(node)))
    }

    /// Flips a byte of the stream's file on a node, in its middle.
    private func damage(_ node: NatsServer) throws {
        let folder = URL(fileURLWithPath: node.folder.file("store"))
        let found = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
        let files = try #require(found).compactMap { $0 as? URL }
            .filter { $0.path.contains("/\(Self.stream)/msgs/") && $0.pathExtension == "blk" }
        let file = try #require(files.first)
        var bytes = try Data(contentsOf: file)
        bytes[bytes.count / 2] ^= 0xff
        try bytes.write(to: file)
    }

    @Test("a flipped byte is found on its server alone, and the runbook heals it")
    func broken() throws {
        let (world, leader) = try ClusterRig.led()
        let rig = try world.rig(node: leader)
        try rig.open(lanes: 1)
        #expect(rig.publishPackets(100, lane: 0, ticks: 5))
        #expect(world.waitForCopies(rig, Self.stream))
        for node in 0..<NatsCluster.size {
            let sound = try verify(rig, node)
            #expect(sound.places.isEmpty && sound.messages == 101 && sound.last == 101, "\(node)")
        }
        let victim = world.cluster.nodes[(leader + 1) % NatsCluster.size]
        let number = (leader + 1) % NatsCluster.size
        victim.stop()
        try damage(victim)
        try victim.start()
        #expect(world.waitForCopies(rig, Self.stream), "the cluster does not notice")
        let broken = try verify(rig, number)
        let sequences = Set(broken.places.map(\.sequence))
        #expect(!sequences.isEmpty && sequences.count <= 3, "\(broken.places)")
        for node in 0..<NatsCluster.size where node != number {
            #expect(try verify(rig, node).places.isEmpty)
        }
        let behind = try #require(sequences.max()) + 1
        #expect(try verify(rig, number, from: behind).places.isEmpty)
        // docs/runbooks/TapeCopies.md.
        victim.stop()
        try FileManager.default.moveItem(
            atPath: victim.folder.file("store"), toPath: victim.folder.file("store.old"))
        try victim.start()
        #expect(rig.publishPackets(10, lane: 0))
        #expect(eventually { world.cluster.isWhole })
        #expect(world.waitForCopies(rig, Self.stream))
        let healed = try verify(rig, number)
        #expect(healed.places.isEmpty && healed.messages == 111)
        rig.addReader(0)
        rig.expectTakenOnce(0)
    }

    @Test("one copy, without a cluster, is checked for itself")
    func single() throws {
        let rig = try TapeServer().openRig()
        #expect(rig.publishPackets(40, lane: 0, ticks: 2))
        let info = try #require(try rig.client.jetStream.streamInfo(Self.stream))
        let run = CopyVerification(rig.client.jetStream, .init(bytesPerSecond: 1 << 30)) { _ in
            false
        }
        let sound = try #require(try run.check(info, on: nil))
        #expect(sound.places.isEmpty && sound.messages == 41)
        // What is no packet, and a packet that was removed.
        _ = try rig.client.connection.request(
            Array("junk".utf8), to: "md.ticks.4.other", timeout: patience)
        try rig.api("STREAM.MSG.DELETE.\(Self.stream)", #"{"seq":20}"#)
        let now = try #require(try rig.client.jetStream.streamInfo(Self.stream))
        let found = try #require(try run.check(now, on: nil))
        #expect(
            found.places == [
                .init(sequence: 21, finding: .hole(expected: 37, found: 39), before: 19),
                .init(sequence: 42, finding: .damagedEverywhere),
            ])
        // It ends when it is told to.
        let ended = CopyVerification(rig.client.jetStream, .init(bytesPerSecond: 1)) { _ in true }
        #expect(try ended.check(now, on: nil) == nil)
    }

    @Test("a server that holds no copy cannot be read")
    func nowhere() throws {
        let (world, rig) = try ClusterRig.open(copies: 1)
        #expect(rig.publishPackets(2, lane: 0))
        let other = (try world.leader(rig, Self.stream) + 1) % NatsCluster.size
        #expect(throws: JetStreamError.self) { try verify(rig, other) }
    }

    @Test("what two other copies say decides; one that confirms is enough")
    func verdicts() throws {
        let rig = try TapeServer().openRig()
        #expect(rig.publishPackets(2, lane: 0))
        func read(_ sequence: UInt64) throws -> CopyReader.Message {
            let found = try #require(
                try rig.client.jetStream.message(stream: Self.stream, sequence: sequence))
            return CopyReader.Message(
                sequence: 1, subject: found.subject, time: found.time, payload: found.payload)
        }
        let (good, other) = (try read(2), try read(3))
        var flipped = good.payload
        flipped[flipped.count - 1] ^= 1
        let bad = CopyReader.Message(
            sequence: 1, subject: good.subject, time: good.time, payload: flipped)
        func findings(
            _ own: CopyReader.Message?, _ others: [CopyReader.Message?]
        ) -> [CopyCheck.Finding] {
            var check = CopyCheck(server: "n0")
            check.take(1, own: own, others: others)
            return check.places.map(\.finding)
        }
        #expect(findings(good, [good, good]).isEmpty && findings(good, []).isEmpty)
        #expect(findings(good, [good, nil]).isEmpty && findings(good, [bad, good]).isEmpty)
        #expect(findings(good, [nil, nil]) == [.extra])
        #expect(findings(nil, [good, nil]) == [.missing])
        #expect(findings(other, [good, good]) == [.differs])
        #expect(findings(bad, [good, nil]) == [.damaged])
        #expect(findings(bad, [bad, bad]) == [.damagedEverywhere])
    }

    @Test("what a purge has taken is no finding, also where it cut the ordinals of a subject")
    func purged() throws {
        let rig = try TapeServer().openRig()
        #expect(rig.publishPackets(3, lane: 0))
        var check = CopyCheck(server: "n0")
        for sequence in [UInt64(2), 4] {
            let found = try #require(
                try rig.client.jetStream.message(stream: Self.stream, sequence: sequence))
            let message = CopyReader.Message(
                sequence: sequence, subject: found.subject, time: found.time,
                payload: found.payload)
            check.take(sequence, own: message, others: [message])
        }
        check.take(5, own: nil, others: [nil])
        #expect(check.places.map(\.sequence) == [4, 5])
        #expect(check.places.map(\.start) == [2, 5])
        check.clear(below: 2)
        #expect(check.places.count == 2)
        // The packet before the hole is gone: nobody can tell what was between.
        check.clear(below: 3)
        #expect(check.places.map(\.sequence) == [5])
    }

    @Test("what was verified is noted, and read back; damage counts as nothing")
    func records() throws {
        let tape = try TapeServer()
        let rig = try tape.rig()
        let bucket = try rig.client.jetStream.openOrMakeBucket(
            tape.names.sourceBucketConfiguration)
        let record = CopyRecord(sequence: 41, findings: 2, ended: Timestamp(nanoseconds: 7))
        try record.store(in: bucket, stream: "MD_BARS", server: "nats-0.example")
        let next = CopyRecord(sequence: 50, findings: 0, ended: Timestamp(nanoseconds: 9))
        try next.store(in: bucket, stream: "MD_BARS", server: "nats-0.example")
        let key = "MD_BARS"
        #expect(try CopyRecord.read(bucket, stream: key, server: "nats-0.example") == next)
        #expect(try CopyRecord.read(bucket, stream: key, server: "nats-1.example") == nil)
        #expect(String(decoding: record.json, as: UTF8.self).hasPrefix(#"{"v":1,"sequence":41"#))
        for text in ["", #"{"v":1}"#, #"{"v":2,"sequence":1,"findings":0,"ended_ns":0}"#, "[1]"] {
            #expect(CopyRecord(json: Array(text.utf8)) == nil, "\(text)")
        }
    }
}
