import Foundation
import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// `deploy/compose/nats.sh`, by which compose and Kubernetes start NATS, with the real server.
@Suite("deploy/compose/nats.sh")
struct NatsScriptTests {
    private static let users = [
        "gateway", "operator", "writer", "cockpit", "actions", "consumer", "tool",
    ]

    private let folder: TemporaryFolder
    private let port: UInt16

    init() throws {
        folder = try .ofScript("nats-script")
        port = freePort()
        for user in Self.users { try folder.write("p\(user)", to: "secrets/nats-\(user)") }
        try FileManager.default.copyItem(
            atPath: "\(ServerPrograms.checkout)/deploy/nats/server.conf",
            toPath: folder.file("conf/tapeline.conf"))
    }

    private func start(
        _ more: [String: String] = [:], log: String = "log"
    ) throws -> ServerProcess {
        try ServerProcess(
            "/bin/sh", ["\(ServerPrograms.checkout)/deploy/compose/nats.sh"],
            environment: [
                "PATH": "\(FileSystem.folder(of: ServerPrograms.nats)):/usr/bin:/bin",
                "NATS_CONFIGURATION": folder.file("server.conf"),
                "NATS_FOLDER": folder.file("conf"), "SECRETS_FOLDER": folder.file("secrets"),
                "NATS_RELOAD_EVERY": "0.05", "NATS_SERVER_NAME": "script", "NATS_HOST": "127.0.0.1",
                "NATS_PORT": "\(port)", "NATS_MONITOR_PORT": "\(freePort())",
                "NATS_STORE_DIR": "\"\(folder.file("store"))\"", "NATS_STORE_BYTES_MAX": "1GB",
            ].merging(more) { $1 }, logPath: folder.file(log))
    }

    /// Starts a server of a cluster, whose servers have one port on addresses of this machine. Its
    /// certificate is in files of its name.
    private func startMember(
        _ host: String, _ certificates: Certificates, routes: UInt16, monitor: UInt16
    ) throws -> ServerProcess {
        try start(
            [
                "NATS_CONFIGURATION": folder.file("\(host).conf"), "NATS_SERVER_NAME": host,
                "NATS_HOST": host, "NATS_MONITOR_PORT": "\(monitor)",
                "NATS_STORE_DIR": "\"\(folder.file("store-\(host)"))\"",
                "NATS_CLUSTER_HOST": host, "NATS_CLUSTER_PORT": "\(routes)",
                "NATS_CLUSTER_SERVERS": "127.0.0.1 127.0.0.2 127.0.0.3",
                "NATS_SERVER_CERTIFICATE": folder.file("\(host).crt"),
                "NATS_SERVER_KEY": folder.file("\(host).key"),
                "NATS_CLUSTER_CA": certificates.certificate("authority"),
            ], log: "log-\(host)")
    }

    private func put(_ certificates: Certificates, _ name: String, for host: String) throws {
        for (path, end) in [
            (certificates.certificate(name), "crt"), (certificates.key(name), "key"),
        ] {
            try String(contentsOfFile: path, encoding: .utf8)
                .write(toFile: folder.file("\(host).\(end)"), atomically: false, encoding: .utf8)
        }
    }

    /// Returns how many connections a server has with others of its cluster.
    private func routes(_ host: String, monitor: UInt16) -> Int {
        do {
            let answer = try HTTPProbe.get(
                host: host, port: monitor, path: "/routez", timeout: patience)
            return try JSONValue.parse(answer.body)["num_routes"]?.int ?? 0
        } catch {
            return 0
        }
    }

    @Test(
        "servers of a cluster trust one another by their authority alone",
        .enabled(if: Certificates.obstacle == nil))
    func clusterTLS() throws {
        let certificates = try Certificates()
        try certificates.make("first", name: "127.0.0.1")
        try certificates.make("foreign", name: "127.0.0.2", by: "otherAuthority")
        try certificates.make("second", name: "127.0.0.2")
        for name in ["cluster.conf", "cluster-tls.conf", "tls.conf"] {
            try FileManager.default.copyItem(
                atPath: "\(ServerPrograms.checkout)/deploy/nats/\(name)",
                toPath: folder.file("conf/\(name)"))
        }
        try folder.write("pcluster", to: "secrets/nats-cluster")
        let (routePort, monitor) = (freePort(), freePort())
        try put(certificates, "first", for: "127.0.0.1")
        try put(certificates, "foreign", for: "127.0.0.2")
        let first = try startMember(
            "127.0.0.1", certificates, routes: routePort, monitor: monitor)
        let second = try startMember(
            "127.0.0.2", certificates, routes: routePort, monitor: monitor)
        let refusal = "TLS route handshake error"
        #expect(
            eventually { first.log.contains(refusal) || second.log.contains(refusal) },
            "\(first.log)\(second.log)")
        #expect(routes("127.0.0.1", monitor: monitor) == 0)
        try put(certificates, "second", for: "127.0.0.2")
        #expect(
            eventually { routes("127.0.0.1", monitor: monitor) > 0 }, "\(first.log)\(second.log)")
        #expect(first.isRunning && second.isRunning)
    }

    /// Returns whether the server takes a password.
    private func takes(_ user: String, _ password: String) throws -> Bool {
        guard LoopbackSocket.connect(to: port).map({ close($0) == 0 }) == true else { return false }
        return try NatsLineClient(port: port, user: user, password: password, lines: "PING\r\n")
            .settled().contains("PONG")
    }

    @Test("a changed password counts in the running server, an empty or missing one never does")
    func reloads() throws {
        let server = try start()
        #expect(try eventually { try takes("writer", "pwriter") }, "\(server.log)")
        let gateway = try NatsLineClient(port: port, user: "gateway", password: "pgateway")
        try gateway.settle()
        try folder.spoil("nats-writer", of: server) {
            let isTaken = try takes("writer", "pwriter")
            #expect(isTaken)
        }
        try folder.write("panother", to: "secrets/nats-writer")
        #expect(try eventually { try takes("writer", "panother") }, "\(server.log)")
        #expect(try !takes("writer", "pwriter") && !takes("writer", ""))
        #expect(server.isRunning)
        // Another user's connection stays.
        #expect(try gateway.publish("md.ticks.0.synthetic", "x").contains("PONG"))
        #expect(server.log.contains("Reloaded"), "\(server.log)")
    }

    @Test("where it looks when it is asked, the request is there until nats-server was told")
    func asked() throws {
        let place = folder.file("reload")
        let server = try start(["SECRETS_WHEN_ASKED": "1", "NATS_ASKED": place])
        #expect(try eventually { try takes("writer", "pwriter") }, "\(server.log)")
        // The first time nothing has changed.
        for password in ["pwriter", "panother"] {
            try folder.write(password, to: "secrets/nats-writer")
            try folder.write("", to: "reload")
            let isThere = FileManager.default.fileExists(atPath:)
            #expect(eventually { !isThere(place) && !isThere("\(place).taken") }, "\(server.log)")
            let made = try String(contentsOfFile: folder.file("server.conf"), encoding: .utf8)
            #expect(made.contains("\"\(password)\""))
            #expect(try eventually { try takes("writer", password) }, "\(server.log)")
        }
    }

    @Test(
        "a changed certificate counts in the running server",
        .enabled(if: Certificates.obstacle == nil))
    func certificate() throws {
        let certificates = try Certificates()
        try certificates.make("old", name: "127.0.0.1")
        try certificates.make("new", name: "127.0.0.1", by: "otherAuthority")
        func put(_ name: String) throws {
            for (path, end) in [
                (certificates.certificate(name), "crt"), (certificates.key(name), "key"),
            ] {
                try String(contentsOfFile: path, encoding: .utf8)
                    .write(toFile: folder.file("server.\(end)"), atomically: false, encoding: .utf8)
            }
        }
        try put("old")
        try FileManager.default.copyItem(
            atPath: "\(ServerPrograms.checkout)/deploy/nats/tls.conf",
            toPath: folder.file("conf/tls.conf"))
        let server = try start([
            "NATS_SERVER_CERTIFICATE": folder.file("server.crt"),
            "NATS_SERVER_KEY": folder.file("server.key"),
        ])
        func isTrusted(by authority: String) -> Bool {
            var configuration = NatsConfiguration(
                urls: ["tls://127.0.0.1:\(port)"], clientName: "test")
            (configuration.user, configuration.password) = ("tool", "ptool")
            configuration.tls = .init(
                caFile: certificates.certificate(authority), serverName: "127.0.0.1")
            do {
                try NatsConnection(configuration) { _ in }.close()
                return true
            } catch {
                return false
            }
        }
        #expect(eventually { isTrusted(by: "authority") }, "\(server.log)")
        try put("new")
        #expect(eventually { isTrusted(by: "otherAuthority") }, "\(server.log)")
        #expect(!isTrusted(by: "authority") && server.isRunning)
    }

    @Test("with a further store's password its writers have the user of 'groups rights'")
    func further() throws {
        try folder.write("pwriter-eu-2", to: "secrets/nats-writer-eu-2")
        let server = try start()
        #expect(try eventually { try takes("writer-eu-2", "pwriter-eu-2") }, "\(server.log)")
        #expect(try takes("writer", "pwriter"))
        func text(_ path: String) throws -> String {
            try String(contentsOfFile: folder.file(path), encoding: .utf8)
        }
        let store = try #require(GroupName("store-eu-2"))
        let wanted = try StoreRights(further: [store]).configuration(
            shipped: text("conf/tapeline.conf"))
        #expect(try text("server.conf").contains(wanted))
    }

    @Test("with the password of a group of people its programs have the user of 'groups rights'")
    func followers() throws {
        try folder.write("pfeatures", to: "secrets/nats-consumer-features")
        let path = folder.file("conf/tapeline.conf")
        let shipped = try String(contentsOfFile: path, encoding: .utf8)
        let features = try FollowerRights(groups: [try #require(GroupName("features"))])
            .configuration(shipped: shipped)
        let server = try start()
        #expect(
            try eventually { try takes("consumer-features", "pfeatures") }, "\(server.log)")
        #expect(try takes("consumer", "pconsumer"))
        func text(_ path: String) throws -> String {
            try String(contentsOfFile: folder.file(path), encoding: .utf8)
        }
        #expect(try text("server.conf").contains(features))
        // A further group beside one that the file has.
        try features.write(toFile: path, atomically: false, encoding: .utf8)
        try folder.write("pmodels", to: "secrets/nats-consumer-models")
        let both = try FollowerRights(groups: [try #require(GroupName("models"))])
            .configuration(shipped: features)
        #expect(try eventually { try takes("consumer-models", "pmodels") }, "\(server.log)")
        #expect(try text("server.conf").contains(both))
        #expect(try takes("consumer-features", "pfeatures"))
        // The one that is removed takes nothing of the other one along.
        let removed = FollowerRights(groups: [try #require(GroupName("models"))])
            .removed(from: "NATS_CONSUMER_MODELS_PASSWORD: \"pmodels\"\n" + both)
        #expect(removed == features)
    }

    @Test("a user of 'groups rights' that the configuration has already is not added again")
    func addedByHand() throws {
        for store in ["eu-2", "b"] {
            try folder.write("pwriter-\(store)", to: "secrets/nats-writer-\(store)")
        }
        let path = folder.file("conf/tapeline.conf")
        let shipped = try String(contentsOfFile: path, encoding: .utf8)
        let store = try #require(GroupName("store-eu-2"))
        let added = try StoreRights(further: [store]).configuration(shipped: shipped)
        try added.write(toFile: path, atomically: false, encoding: .utf8)
        let server = try start()
        #expect(try eventually { try takes("writer-eu-2", "pwriter-eu-2") }, "\(server.log)")
        #expect(try takes("writer-b", "pwriter-b"))
    }

    @Test("without a password it does not start")
    func missing() throws {
        try FileManager.default.removeItem(atPath: folder.file("secrets/nats-tool"))
        let server = try start()
        #expect(server.waitUntilExit() == 1)
        #expect(server.log.contains("nats-tool is missing or empty"), "\(server.log)")
    }
}

extension TemporaryFolder {
    /// Makes a folder with those that a script of compose reads.
    static func ofScript(_ name: String) throws -> TemporaryFolder {
        let folder = try TemporaryFolder(name)
        for place in ["conf", "secrets"] {
            try FileManager.default.createDirectory(
                atPath: folder.file(place), withIntermediateDirectories: true)
        }
        return folder
    }

    /// Empties a secret and then removes it, and checks what the server does after it has
    /// complained.
    func spoil(
        _ secret: String, of server: ServerProcess, _ check: () throws -> Void
    ) throws {
        let complaints = { server.log.components(separatedBy: "is missing or empty").count }
        for wrong in ["", nil] {
            if let wrong {
                try wrong.write(
                    toFile: file("secrets/\(secret)"), atomically: false, encoding: .utf8)
            } else {
                try FileManager.default.removeItem(atPath: file("secrets/\(secret)"))
            }
            let before = complaints()
            #expect(eventually { complaints() > before })
            try check()
        }
    }
}
