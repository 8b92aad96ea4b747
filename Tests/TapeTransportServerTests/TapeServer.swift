import Foundation
import NatsTransport
import Primitives
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// A nats-server with the streams of a small namespace, and an administrator's operations on them.
struct TapeServer {
    let server: NatsServer
    let names: TapeNames

    init(
        partitions: Int = 8, bytesMax: Int64 = 256 * 1_048_576,
        _ options: NatsServer.Options = NatsServer.Options()
    ) throws {
        server = try NatsServer(options)
        names = try #require(TapeNames(namespace: "md", partitions: partitions))
        let rig = try TapeRig(server, names: names)
        try rig.client.ensureTickStreams(bytesMax: bytesMax)
        try rig.client.ensureBarStream(bytesMax: bytesMax)
    }

    /// Returns a rig that reaches the server directly, or through a proxy.
    func rig(
        source: String = "sim", pullBytes: Int = ReaderLane.pullBytes,
        through proxy: NatsProxy? = nil
    ) throws -> TapeRig {
        try TapeRig(server, names: names, source: source, url: proxy?.url, pullBytes: pullBytes)
    }

    /// Returns a rig with open lanes and readers, on partition 0 or on so many.
    func openRig(
        lanes: Int = 1, source: String = "sim", pullBytes: Int = ReaderLane.pullBytes,
        through proxy: NatsProxy? = nil
    ) throws -> TapeRig {
        let rig = try rig(source: source, pullBytes: pullBytes, through: proxy)
        try rig.open(lanes: lanes)
        return rig
    }

    /// Returns a rig whose reader has taken so many packets.
    static func begun(packets: Int, ticks: Int = 1) throws -> (tape: TapeServer, rig: TapeRig) {
        let tape = try TapeServer()
        let rig = try tape.openRig()
        rig.pass(packets, ticks: ticks)
        return (tape, rig)
    }

    // MARK: disasters

    /// Ends the server and copies its store, like a snapshot of the disk.
    func snapshot() throws {
        server.stop()
        let copy = server.folder.file("copy")
        if FileManager.default.fileExists(atPath: copy) {
            try FileManager.default.removeItem(atPath: copy)
        }
        try FileManager.default.copyItem(atPath: server.folder.file("store"), toPath: copy)
        try server.start()
    }

    /// Restores the store from the copy.
    func restoreSnapshot() throws {
        server.kill()
        try FileManager.default.removeItem(atPath: server.folder.file("store"))
        try FileManager.default.copyItem(
            atPath: server.folder.file("copy"), toPath: server.folder.file("store"))
        try server.start()
    }
}

extension TapeRig {
    /// Calls JetStream's API and expects success.
    @discardableResult
    func api(_ path: String, _ body: String = "") throws -> JSONValue {
        let reply = try client.connection.request(
            Array(body.utf8), to: "$JS.API.\(path)", timeout: patience)
        let answer = try JSONValue.parse(reply.payload)
        try #require(answer["error"]?.members == nil, "\(path): \(reply.payload)")
        return answer
    }

    var stream: String { client.names.tickStream(0) }

    func consumerNames() throws -> [String] {
        try api("CONSUMER.NAMES.\(stream)")["consumers"]?.array?.compactMap(\.string) ?? []
    }
}
