import NatsTransport
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// A cluster of three nats-servers for a small namespace.
struct ClusterRig {
    static let streamBytes: Int64 = 16 << 20

    let cluster: NatsCluster
    let names: TapeNames

    init(
        _ options: NatsServer.Options = NatsServer.Options(), stores: [String]? = nil
    ) throws {
        cluster = try NatsCluster(options, stores: stores)
        names = try #require(TapeNames(namespace: "md", partitions: 4))
    }

    /// Returns a rig that wants so many copies. `node` alone serves it; `nil`: any of the three.
    func rig(copies: Int = 3, node: Int? = nil, source: String = "sim") throws -> TapeRig {
        var configuration = NatsConfiguration(
            urls: node.map { [cluster.nodes[$0].url] } ?? cluster.urls, clientName: "test")
        configuration.replicas = copies
        return try TapeRig(cluster.nodes[node ?? 0], configuration, names, source: source)
    }

    func ensureStreams(_ rig: TapeRig) throws {
        try rig.client.ensureTickStreams(bytesMax: Self.streamBytes)
        try rig.client.ensureBarStream(bytesMax: Self.streamBytes)
    }

    /// Waits until the stream has a leader and so many copies that have everything.
    func waitForCopies(_ rig: TapeRig, _ stream: String, count: Int = 3) -> Bool {
        eventually {
            do {
                let copies = try rig.client.jetStream.streamInfo(stream)?.copies
                return copies?.followers.count { $0.isCurrent && $0.lag == 0 } == count - 1
            } catch {
                return false
            }
        }
    }

    /// Returns the node that leads the stream.
    func leader(_ rig: TapeRig, _ stream: String) throws -> Int {
        let name = try rig.client.jetStream.streamInfo(stream)?.copies?.leader
        return try #require(name.flatMap(NatsCluster.number))
    }

    /// Returns a cluster with its streams, and a rig that is open.
    static func open(copies: Int) throws -> (world: ClusterRig, rig: TapeRig) {
        let world = try ClusterRig()
        let rig = try world.rig(copies: copies)
        try world.ensureStreams(rig)
        try rig.open(lanes: 1)
        return (world, rig)
    }

    /// Returns a cluster with its streams, and the node that leads MD_TICKS_0.
    static func led() throws -> (world: ClusterRig, leader: Int) {
        let world = try ClusterRig()
        let rig = try world.rig()
        try world.ensureStreams(rig)
        try #require(world.waitForCopies(rig, "MD_TICKS_0"))
        return (world, try world.leader(rig, "MD_TICKS_0"))
    }
}
