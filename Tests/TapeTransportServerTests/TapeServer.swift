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

    func rig(source: String = "sim", pullBytes: Int = ReaderLane.pullBytes) throws -> TapeRig {
        try TapeRig(server, names: names, source: source, pullBytes: pullBytes)
    }

    /// Opens a rig with one lane and one reader on partition 0.
    func openRig(
        source: String = "sim", pullBytes: Int = ReaderLane.pullBytes
    ) throws -> TapeRig {
        let rig = try rig(source: source, pullBytes: pullBytes)
        try rig.addLane(0)
        rig.addReader(0)
        rig.publisher.open()
        rig.readers.open(0, at: nil)
        return rig
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
    func putBack() throws {
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
