import NatsTransport
import ServiceRuntime
import TapeProtocol
import TestSupport
import Testing

@testable import TapeTransport

/// The number of copies of the tape, on real clusters.
@Suite struct ReplicaTests {
    @Test("copies are added while ticks are published: none is lost, none doubled")
    func raised() throws {
        let (world, rig) = try ClusterRig.open(copies: 1)
        #expect(rig.publishPackets(20, lane: 0, ticks: 3))
        let other = try world.rig(copies: 3, source: "other")
        // The servers give no copy to one that they have hardly heard of.
        let streams = world.names.allStreams
        var problem = ""
        let areRaised = eventually {
            do {
                try world.ensureStreams(other)
                return try streams.allSatisfy {
                    try other.client.jetStream.streamInfo($0)?.configuration.replicas == 3
                }
            } catch {
                // A stream that moves has no leader for a while.
                problem = "\(error)"
                return false
            }
        }
        #expect(areRaised, "\(problem)")
        for stream in streams { #expect(world.waitForCopies(other, stream), "\(stream)") }
        #expect(other.log.count("has 3 copies now") == 5)
        #expect(rig.publishPackets(50, lane: 0, ticks: 3))
        #expect(rig.publishPackets(20, lane: 0, ticks: 3))
        rig.expectTakenOnce(0)
        // A process that wants one copy takes none away.
        try world.ensureStreams(rig)
        #expect(world.waitForCopies(rig, "MD_BARS"))
    }

    @Test("a bucket gets the copies, when it is made and when it is there")
    func buckets() throws {
        let world = try ClusterRig()
        let one = try world.rig(copies: 1)
        let sources = world.names.sourceBucketConfiguration
        let bucket = try one.client.jetStream.openOrMakeBucket(sources)
        _ = try bucket.create("gateway.a", [1])
        let three = try world.rig(copies: 3)
        let raised = try three.client.jetStream.openOrMakeBucket(sources)
        #expect(eventually { (try? raised.info().configuration.replicas) == 3 })
        #expect(eventually { (try? raised.get("gateway.a")?.value) == [1] })
        let made = try three.client.jetStream.openOrMakeBucket(
            world.names.operatorBucketConfiguration)
        #expect(try made.info().configuration.replicas == 3)
        let opened = try #require(
            try one.client.jetStream.openBucket(world.names.operatorBucketConfiguration))
        #expect(try opened.info().configuration.replicas == 3)
    }

    @Test("a leader moves to the server that is wanted, while ticks are published")
    func leaderMoves() throws {
        let world = try ClusterRig()
        let rig = try world.rig()
        try world.ensureStreams(rig)
        #expect(world.waitForCopies(rig, "MD_TICKS_0"))
        try rig.open(lanes: 1)
        #expect(rig.publishPackets(5, lane: 0))
        for _ in 0..<2 {
            let next = (try world.leader(rig, "MD_TICKS_0") + 1) % NatsCluster.size
            try rig.client.jetStream.moveLeader(
                ofStream: "MD_TICKS_0", to: NatsCluster.name(next))
            #expect(rig.publishPackets(20, lane: 0))
            #expect(eventually { (try? world.leader(rig, "MD_TICKS_0")) == next })
        }
        rig.expectTakenOnce(0)
        #expect(throws: JetStreamError.self) {
            try rig.client.jetStream.moveLeader(ofStream: "MD_NOTHING", to: "n0")
        }
    }

    @Test("one server cannot hold three copies: nothing is made, and what is there stays")
    func tooSmall() throws {
        let tape = try TapeServer()
        var configuration = NatsConfiguration(urls: [tape.server.url], clientName: "test")
        configuration.replicas = 3
        let rig = try TapeRig(tape.server, configuration, tape.names)
        try rig.client.ensureTickStreams(bytesMax: 256 << 20)
        let reports = rig.log.lines(with: "tape.stream.copies")
        #expect(reports.count == 4 && reports.allSatisfy { $0.contains("no cluster of 3 servers") })
        let error = #expect(throws: TapeError.self) {
            try rig.client.jetStream.openOrMakeBucket(tape.names.sourceBucketConfiguration)
        }
        for stream in tape.names.allStreams {
            let info = try #require(try rig.client.jetStream.streamInfo(stream))
            #expect(info.configuration.replicas == 1)
        }
        #expect(error?.isRetryable == true)
        #expect(error?.description.contains("NATS is no cluster of 3 servers") == true)
        #expect(error?.description.hasSuffix("(MDS_REPLICAS)") == true)
    }

    @Test("a server that is too old for copies is not used when copies are wanted")
    func tooOld() throws {
        let tape = try TapeServer()
        let proxy = try NatsProxy(to: tape.server.port)
        proxy.pretend(version: "2.12.5")
        var configuration = NatsConfiguration(urls: [proxy.url], clientName: "test")
        _ = try TapeRig(tape.server, configuration, tape.names)
        configuration.replicas = 3
        let error = #expect(throws: TapeError.self) {
            try TapeRig(tape.server, configuration, tape.names)
        }
        #expect(error?.description.contains("streams have 3 copies: 2.12.6 or newer") == true)
    }
}
