import NatsTransport
import Primitives
import TapeProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import TapeTransport

/// The tape in `/status`.
@Suite struct TapeWatchTests {
    // MARK: durability

    private func durability(_ config: String, server: String = "N1") throws -> Durability {
        Durability(
            monitor: try JSONValue.parse(#"{"server_id":"\#(server)","config":\#(config)}"#),
            of: "N1")
    }

    @Test("what the server's configuration means, in one sentence")
    func sentences() throws {
        let always = try durability(#"{"sync_interval":120000000000,"sync_always":true}"#)
        let late = try durability(#"{"sync_interval":120000000000}"#)
        let often = try durability(#"{"sync_interval":250000000,"sync_always":false}"#)
        #expect(always == .onDisk && always.sentence(replicas: 1) == "on disk")
        #expect(always.sentence(replicas: 3) == "on the disks of a majority of 3 replicas")
        #expect(
            late.sentence(replicas: 1)
                == "on disk within 120 s: a power cut can take what is younger")
        #expect(often.sentence(replicas: 1).hasPrefix("on disk within 250 ms"))
        #expect(
            late.sentence(replicas: 3)
                == "in the memory of a majority of 3 replicas, on their disks within 120 s")
        #expect(Durability.notConfigured.sentence(replicas: 1) == "unknown: set NATS_MONITOR_URL")
        #expect(try durability("{}").isUnknown)
        #expect(try durability(#"{"sync_always":true}"#, server: "N2").isUnknown)
        #expect(Durability(monitor: .null, of: "").isUnknown)
        #expect(always.isDurable == true && late.isDurable == false)
        #expect(Durability.notConfigured.isDurable == nil)
    }

    @Test("where the monitor is")
    func monitors() throws {
        let found = try #require(TapeWatch.Monitor(url: "http://127.0.0.1:8222/"))
        #expect(found.host == "127.0.0.1" && found.port == 8222)
        #expect(TapeWatch.Monitor(url: "http://[::1]:8222")?.host == "::1")
        for url in ["", "https://a:1", "http://a", "http://a:0", "http://:1", "http://a:99999"] {
            #expect(TapeWatch.Monitor(url: url) == nil, "\(url)")
        }
    }

    // MARK: a real server

    private func seen(_ watch: TapeWatch) -> JSONValue {
        var json = JSONWriter(capacity: 64)
        json.object { watch.write(into: &$0) }
        do {
            return try JSONValue.parse(json.text)
        } catch {
            return .null
        }
    }

    private func server(_ sync: String) throws -> (tape: NatsServer, monitor: UInt16) {
        var options = NatsServer.Options()
        options.syncInterval = sync
        let port = freePort()
        options.extra = "http: \"127.0.0.1:\(port)\""
        return (try NatsServer(options), port)
    }

    private func monitors(_ ports: UInt16...) throws -> [TapeWatch.Monitor] {
        try ports.map { try #require(TapeWatch.Monitor(url: "http://127.0.0.1:\($0)")) }
    }

    private func rig(_ server: NatsServer) throws -> TapeRig {
        let rig = try TapeRig(
            server, names: try #require(TapeNames(namespace: "md", partitions: 8)))
        try rig.client.ensureTickStreams(bytesMax: 1_048_576)
        return rig
    }

    @Test(
        "a real server's configuration is found, and found again after it has changed",
        arguments: [("always", "on disk"), ("30s", "on disk within 30 s")])
    func real(sync: String, sentence: String) throws {
        let (server, port) = try server(sync)
        let rig = try rig(server)
        let watch = try TapeWatch(
            rig.client, monitors: try monitors(port), streams: ["MD_TICKS_0", "MD_BARS"],
            metrics: true)
        #expect(
            eventually {
                seen(watch)["acknowledged_means"]?.string?.hasPrefix(sentence) == true
                    && seen(watch)["streams"]?.array?.count == 1
            }, "\(seen(watch))")
        let stream = try #require(seen(watch)["streams"]?.array?.first)
        #expect(stream["stream"]?.string == "MD_TICKS_0" && stream["bytes"]?.int == 0)
        #expect(stream["max_bytes"]?.int == 1_048_576)
        #expect(stream["headroom_bytes"]?.int == 1_048_576)
        #expect(seen(watch)["replicas"]?.int == 1 && seen(watch)["problem"] == .null)
        // Metrics are set a moment after what is seen.
        let durable = "\nmds_tape_durable \(sync == "always" ? 1 : 0)\n"
        let headroom = "mds_tape_stream_headroom_bytes{stream=\"MD_TICKS_0\"} 1048576"
        #expect(
            eventually { rig.page.contains(durable) && rig.page.contains(headroom) },
            "\(rig.page.suffix(2_000))")
        try server.rewriteConfiguration("sync_interval: \"\(sync)\"", "sync_interval: \"7s\"")
        try server.restart()
        #expect(
            eventually {
                seen(watch)["acknowledged_means"]?.string?.hasPrefix("on disk within 7 s") == true
            }, "\(seen(watch))")
        watch.stop()
    }

    @Test(
        "a gateway shows when the certificate of its server ends",
        .enabled(if: Certificates.obstacle == nil))
    func certificate() throws {
        let certificates = try Certificates()
        try certificates.make("server", name: "127.0.0.1", days: 9)
        let port = freePort()
        var options = NatsServer.Options()
        options.extra = """
            http: "127.0.0.1:\(port)"
            tls {
              cert_file: "\(certificates.certificate("server"))"
              key_file: "\(certificates.key("server"))"
            }
            """
        let server = try NatsServer(options)
        var configuration = NatsConfiguration(
            urls: ["tls://\(server.address)"], clientName: "test")
        configuration.tls = NatsConfiguration.TLS(
            caFile: certificates.certificate("authority"), serverName: "127.0.0.1")
        let rig = try TapeRig(
            server, configuration, try #require(TapeNames(namespace: "md", partitions: 8)))
        let watch = try TapeWatch(
            rig.client, monitors: try monitors(port), streams: [], metrics: true)
        // Nine days are 777,600 s.
        let line = "\nmds_certificate_expiry_seconds{file=\"nats-server\"} 7775"
        #expect(eventually { rig.page.contains(line) }, "\(rig.page)")
        watch.stop()
    }

    @Test("without a monitor, with a silent one, and with that of another server it is unknown")
    func unknown() throws {
        let (server, _) = try server("always")
        let (other, port) = try self.server("always")
        let rig = try rig(server)
        for (monitors, words) in [
            ([], "set NATS_MONITOR_URL"), (try monitors(freePort()), "does not answer"),
            (try monitors(port), "another server"),
        ] {
            let watch = try TapeWatch(
                rig.client, monitors: monitors, streams: [], metrics: false)
            #expect(
                eventually {
                    seen(watch)["acknowledged_means"]?.string?.contains(words) == true
                }, "\(seen(watch))")
            watch.stop()
        }
        #expect(other.isRunning)
    }

    @Test("of the monitors of several servers that of the server of the connection counts")
    func several() throws {
        let (server, port) = try server("always")
        let (other, otherPort) = try self.server("30s")
        let rig = try rig(server)
        let watch = try TapeWatch(
            rig.client, monitors: try monitors(freePort(), otherPort, port), streams: [],
            metrics: true)
        #expect(eventually { seen(watch)["acknowledged_means"]?.string == "on disk" })
        let page = rig.page
        #expect(page.contains("\nmds_tape_durable 1\n"))
        watch.stop()
        #expect(other.isRunning)
    }

    @Test("a stream that is nearly full is low, and ample again when it was purged")
    func headroom() throws {
        let (server, port) = try server("2m")
        let rig = try rig(server)
        let payload = [UInt8](repeating: 7, count: 120_000)
        for _ in 0..<8 {
            _ = try rig.client.connection.request(
                payload, to: "md.ticks.0.sim", timeout: patience)
        }
        let watch = try TapeWatch(
            rig.client, monitors: try monitors(port), streams: ["MD_TICKS_0", "MD_TICKS_1"],
            metrics: true)
        #expect(eventually { watch.headroom(ofStreams: ["MD_TICKS_0"]) == .low })
        #expect(watch.headroom(ofStreams: ["MD_TICKS_1"]) == .ample)
        #expect(eventually { seen(watch)["headroom"]?.string == "low" })
        #expect(
            seen(watch)["streams"]?.array?.map { $0["headroom"]?.string } == ["low", "ample"])
        #expect((seen(watch)["disk_headroom_bytes"]?.int ?? 0) > 0)
        // The watch logs it after the state that it shows.
        #expect(eventually { rig.log.count("tape.headroom.low") == 1 })
        let page = { rig.page }
        #expect(eventually { page().contains("mds_tape_headroom_low 1") })
        #expect(page().contains("mds_tape_disk_headroom_bytes "))
        #expect(try rig.client.jetStream.purge(stream: "MD_TICKS_0", below: 8) == 7)
        #expect(eventually { watch.headroom(ofStreams: ["MD_TICKS_0"]) == .ample })
        #expect(eventually { rig.log.count("tape.headroom.ample") == 1 })
        watch.stop()
    }

    @Test("streams that cannot be looked up are told, and a stop does not wait for them")
    func noServer() throws {
        let (server, _) = try server("always")
        let rig = try rig(server)
        server.stop()
        let watch = try TapeWatch(
            rig.client, monitors: [], streams: ["MD_TICKS_0"], metrics: false)
        #expect(eventually { seen(watch)["problem"]?.string != nil })
        watch.stop()
    }
}
