import NatsTransport
import Primitives
import TapeProtocol
import TestSupport
import Testing

@testable import TapeTransport
@testable import TapeTransportTests

/// Reads of a tape with three copies: only a stream's leader is believed, and for a while not even
/// that one.
@Suite struct LeaderReadTests {
    /// Returns whether a read of the stream is refused because no server leads it.
    private func isLeaderless(_ jetStream: JetStream) -> Bool {
        do throws(JetStreamError) {
            _ = try jetStream.streamInfo("MD_TICKS_0")
            return false
        } catch {
            if case .leaderless = error { return true }
            return false
        }
    }

    @Test("a frozen follower answers nothing and stops nothing")
    func frozenFollower() throws {
        let (world, leader) = try ClusterRig.led()
        let serving = try world.rig(node: leader)
        try serving.open(lanes: 1)
        #expect(serving.publishPackets(5, lane: 0))
        let frozen = (leader + 1) % NatsCluster.size
        world.cluster.nodes[frozen].pause()
        defer { world.cluster.nodes[frozen].resume() }
        serving.pass(50, ticks: 2)
        let last = try serving.client.jetStream.lastMessage(
            stream: "MD_TICKS_0", subject: "md.ticks.0.sim")
        // The marker, and the packets.
        #expect(last?.sequence == 56)
        world.cluster.nodes[frozen].resume()
        #expect(world.waitForCopies(serving, "MD_TICKS_0"))
        serving.expectTakenOnce(0)
    }

    @Test("a stream without a leader is not read, although a copy answers")
    func leaderless() throws {
        let (world, leader) = try ClusterRig.led()
        let alone = (leader + 1) % NatsCluster.size
        let rig = try world.rig(node: alone)
        try rig.open(lanes: 1)
        rig.pass(5)
        for node in 0..<NatsCluster.size where node != alone { world.cluster.nodes[node].kill() }
        let jetStream = rig.client.jetStream.within(.seconds(1))
        #expect(rig.run { isLeaderless(jetStream) })
        // The copy does answer who asks it, with what it has.
        let raw = try rig.client.connection.request(
            [], to: "$JS.API.STREAM.INFO.MD_TICKS_0", timeout: patience)
        #expect(try JSONValue.parse(raw.payload).at("state", "last_seq")?.int == 6)
        #expect(rig.readers.problem(0) == nil)
        for node in 0..<NatsCluster.size where node != alone {
            try world.cluster.nodes[node].start()
        }
        #expect(rig.publishPackets(5, lane: 0))
        rig.expectTakenOnce(0)
        #expect(rig.log.count("\"tape.rolled_back\"") == 0)
    }

    @Test("a leader that was cut off serves old reads: they are doubts, and its writes fail")
    func cutOff() throws {
        let (world, leader) = try ClusterRig.led()
        let old = try world.rig(node: leader)
        try old.open(lanes: 1)
        #expect(old.publishPackets(5, lane: 0))
        let new = try world.rig(node: (leader + 1) % NatsCluster.size)
        try new.addLane(0)
        new.addReader(0)
        world.cluster.cut(leader)
        #expect(
            eventually { (try? world.leader(new, "MD_TICKS_0")).map { $0 != leader } ?? false })
        new.publisher.open()
        new.readers.open(0, at: nil)
        #expect(new.publishPackets(5, lane: 0))
        #expect(new.run { new.takenIDs[0].count >= 10 })
        let position = try #require(new.readers.position(0))
        // The old leader ends before this position, and says so until it notices that it is alone.
        let late = old.addReader(0)
        old.readers.open(late, at: position)
        old.offer(0, ticks: 3)
        #expect(old.run { old.log.count("is said to end at") > 0 })
        let jetStream = old.client.jetStream.within(.seconds(1))
        #expect(old.run { isLeaderless(jetStream) })
        #expect(old.readers.problem(late) == nil, "a doubt, no verdict")
        #expect(!old.publisher.isIdle(lane: 0), "nothing was acknowledged")
        world.cluster.join(leader)
        #expect(old.run { old.publisher.isFenced(lane: 0) })
        #expect(new.publishPackets(3, lane: 0))
        #expect(old.run { old.takenIDs[late].count >= 3 })
        #expect(old.readers.problem(late) == nil && old.log.count("\"tape.rolled_back\"") == 0)
        #expect(new.run { new.takenIDs[0].count == 13 }, "nothing of the fenced one")
    }
}
