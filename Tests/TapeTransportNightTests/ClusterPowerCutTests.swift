import TestSupport
import Testing

@testable import TapeTransportServerTests

/// The power of three servers fails at once.
@Suite(
    "Power cut of a cluster",
    .enabled(if: CrashDisk.obstacle == nil, Comment(rawValue: CrashDisk.obstacle ?? "")))
struct ClusterPowerCutTests {
    @Test("three copies, as we ship it: the power of all servers fails, and nothing is missing")
    func cluster() throws {
        let disk = try CrashDisk(megabytes: 512)
        var options = NatsServer.Options()
        options.syncInterval = try PowerCutTests.shippedSyncInterval()
        let world = try ClusterRig(
            options, stores: (0..<NatsCluster.size).map { disk.file("store-\($0)") })
        let rig = try world.rig()
        try world.ensureStreams(rig)
        #expect(world.waitForCopies(rig, "MD_TICKS_0"))
        try rig.open(lanes: 1)
        let nodes = world.cluster.nodes
        for round in 1...3 {
            #expect(rig.publishPackets(60, lane: 0, ticks: 2))
            // The next packets are under way.
            rig.offer(0, ticks: 3 * round)
            for node in nodes { node.pause() }
            try disk.cut { for node in nodes { node.kill() } }
            for node in nodes { try node.start() }
            #expect(rig.publishPackets(1, lane: 0))
            #expect(rig.run { rig.hasTakenAll(0) })
        }
        rig.expectTakenOnce(0)
        #expect(rig.log.count("\"tape.rolled_back\"") == 0)
        withExtendedLifetime(disk) {}
    }
}
