import Glibc
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import ServiceRuntime
@testable import ServiceRuntimeTests

@Suite struct OperationsServerTests {
    private let readiness = Readiness()

    private func start(
        port: UInt16 = 0, metrics: String = "mds_up 1\n", address: String = "127.0.0.1",
        limits: OperationsLimits = OperationsLimits()
    ) throws -> OperationsServer {
        try OperationsServer(
            address: address, port: port,
            identity: ServiceIdentity(name: "store-writer", version: "1.2.3", revision: "abc12"),
            readiness: readiness, metrics: { _ in Array(metrics.utf8) }, limits: limits)
    }

    private func get(_ server: OperationsServer, _ path: String) throws -> (Int, String) {
        let answer = try HTTPProbe.get(
            host: server.address, port: server.port, path: path, timeout: patience)
        return (answer.status, String(decoding: answer.body, as: UTF8.self))
    }

    @Test("The four pages answer, and port 0 became a real one")
    func pages() throws {
        let server = try start()
        #expect(server.port != 0)
        #expect(try get(server, "/metrics") == (200, "mds_up 1\n"))
        #expect(try get(server, "/healthz") == (200, "alive\n"))
        #expect(try get(server, "/readyz") == (200, "ready\n"))
        #expect(try get(server, "/status").0 == 200)
    }

    @Test("A peer that is down makes the service not ready, with the reason, but leaves it alive")
    func notReady() throws {
        let server = try start()
        readiness.set("database", "connection refused")
        readiness.set("bus", "no server at nats://x")
        let text = "not ready\nbus: no server at nats://x\ndatabase: connection refused\n"
        #expect(try get(server, "/readyz") == (503, text))
        #expect(try get(server, "/healthz") == (200, "alive\n"))
        readiness.set("database", nil)
        readiness.set("bus", nil)
        #expect(try get(server, "/readyz").0 == 200)
    }

    @Test("What is degraded is ready, with the reason in the body and on the page of status")
    func degraded() throws {
        let server = try start()
        readiness.degrade("cache", "connection refused")
        #expect(
            try get(server, "/readyz") == (200, "ready\ndegraded: cache: connection refused\n"))
        let status = try JSONValue.parse(try get(server, "/status").1)
        #expect(status["ready"]?.bool == true)
        #expect(status["degraded"]?.array?.map(\.string) == ["cache: connection refused"])
        #expect(status["reasons"]?.array?.isEmpty == true)
    }

    @Test("More problems than the bound are answered, too")
    func manyProblems() throws {
        let server = try start()
        for part in 0...Readiness.partsMax { readiness.set("partition \(part)", "it stands") }
        let (status, text) = try get(server, "/readyz")
        #expect(status == 503)
        #expect(text.hasSuffix("\nand 1 more\n"))
        #expect(try get(server, "/healthz").0 == 200)
    }

    @Test("A thread without a sign of life makes the service not alive")
    func notAlive() throws {
        let server = try start()
        let beat = readiness.threads.thread("writer", within: .zero)
        _ = readiness.threads.turn()
        let (status, text) = try get(server, "/healthz")
        #expect(status == 503)
        #expect(text == "not alive\nthread writer: no sign of life for 0 s\n")
        beat.retire()
        _ = readiness.threads.turn()
        #expect(try get(server, "/healthz").0 == 200)
    }

    @Test("The status names the service, its reasons, and holds the sections of the service")
    func status() throws {
        let server = try start()
        readiness.set("bus", "a \"quoted\" problem\nin two lines")
        server.addStatusSection("writer") { json in json.member("rows", 7) }
        server.addStatusSection("writer") { json in json.member("rows", 8) }
        let (_, text) = try get(server, "/status")
        let json = try JSONValue.parse(Array(text.utf8))
        #expect(json["service"]?.string == "store-writer")
        #expect(json["version"]?.string == "1.2.3" && json["revision"]?.string == "abc12")
        #expect(text.contains(#""live":true,"ready":false"#))
        #expect(text.contains(#""reasons":["bus: a \"quoted\" problem in two lines"]"#))
        #expect(text.contains(#""writer":{"rows":8}"#))
        #expect(!text.contains(#""rows":7"#))
    }

    @Test("A section that writes too much is replaced by its size, and the page stays whole")
    func largeSection() throws {
        var limits = OperationsLimits()
        limits.statusSectionBytesMax = 100
        let server = try start(limits: limits)
        server.addStatusSection("large") { json in
            json.member("text", String(repeating: "x", count: 200))
        }
        server.addStatusSection("small") { json in json.member("n", 1) }
        let (_, text) = try get(server, "/status")
        #expect(text.hasSuffix(#""large":{"bytesTooMany":211},"small":{"n":1}}"#))
    }

    @Test("A section with the name of a member that each status has is a mistake in the code")
    func trapsOwnName() async {
        await #expect(processExitsWith: .failure) {
            let identity = ServiceIdentity(name: "writer", version: "1", revision: "a")
            StatusPage(identity: identity, readiness: Readiness(), sectionBytesMax: 100)
                .addSection("live") { $0.member("n", 1) }
        }
    }

    @Test("A service adds pages; unknown ones are 404 and say what there is")
    func endpoints() throws {
        let server = try start()
        server.addEndpoint("/scale") { .json { $0.member("lag", 5) } }
        #expect(try get(server, "/scale") == (200, #"{"lag":5}"#))
        #expect(try get(server, "/scale?verbose=1").0 == 200)
        let (status, text) = try get(server, "/nothing")
        #expect(status == 404)
        #expect(text.contains("/healthz /metrics /readyz /scale /status"))
    }

    @Test(
        "Other methods are refused with what is allowed, and the connection ends",
        arguments: ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
    func methods(method: String) throws {
        let server = try start()
        let client = try RawClient(port: server.port)
        client.send("\(method) /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        let answer = client.receive(until: "answered here\n")
        #expect(answer.hasPrefix("HTTP/1.1 405 "))
        #expect(answer.contains("\r\nAllow: GET, HEAD\r\n"))
        #expect(client.receive() == "")
    }

    @Test("HEAD has the header of GET and no body; the connection is kept for the next request")
    func head() throws {
        let server = try start()
        let client = try RawClient(port: server.port)
        client.send("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        let head = client.receive(until: "\r\n\r\n")
        #expect(head.hasPrefix("HTTP/1.1 200 ") && head.hasSuffix("\r\n\r\n"))
        #expect(head.contains("Content-Length: 9\r\n"))
        #expect(head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
        for _ in 0..<3 {
            client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            let body = client.receive(until: "mds_up 1\n")
            #expect(body.hasSuffix("\r\n\r\nmds_up 1\n") && !body.contains("Connection: close"))
        }
    }

    @Test("The metrics are spelled as the Accept header asks, request by request")
    func openMetrics() throws {
        let registry = MetricRegistry()
        registry.counter("mds_a_total", "A.").add()
        let server = try OperationsServer(
            address: "127.0.0.1", port: 0, identity: ServiceIdentity(name: "x", version: "1"),
            readiness: readiness, metrics: { registry.render($0) })
        let client = try RawClient(port: server.port)
        client.send(
            "GET /metrics HTTP/1.1\r\nHost: x\r\n"
                + "accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n")
        let open = client.receive(until: "# EOF\n")
        #expect(
            open.contains(
                "\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"))
        #expect(
            open.hasSuffix("\r\n\r\n# TYPE mds_a counter\n# HELP mds_a A.\nmds_a_total 1\n# EOF\n"))
        client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        let older = client.receive(until: "mds_a_total 1\n")
        #expect(older.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
        #expect(older.hasSuffix("# TYPE mds_a_total counter\nmds_a_total 1\n"))
    }

    @Test("The body of a GET is read and means nothing")
    func bodyOfGet() throws {
        let server = try start()
        let client = try RawClient(port: server.port)
        client.send("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        #expect(client.receive(until: "alive\n").hasPrefix("HTTP/1.1 200 "))
    }

    @Test("A request that comes byte by byte is a request")
    func byteByByte() throws {
        let server = try start()
        let client = try RawClient(port: server.port)
        for character in "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" { client.send("\(character)") }
        #expect(client.receive(until: "alive\n").hasSuffix("alive\n"))
    }

    @Test("Two requests in one packet get two answers")
    func pipelined() throws {
        let server = try start()
        let client = try RawClient(port: server.port)
        let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        client.send(request + request)
        var text = ""
        while text.components("alive\n") < 2 {
            let more = client.receive()
            if more.isEmpty { break }
            text += more
        }
        #expect(text.components("alive\n") == 2)
    }

    @Test(
        "Nonsense is answered with an error or cut off, and the next request works",
        arguments: [
            "GET\r\n\r\n", "\r\n\r\n\r\n", "GET /metrics HTTP/9.9\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nHost\r\n\r\n", "\u{0}\u{0}\u{0}\u{0}\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "\u{16}\u{3}\u{1}\u{2}", "GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        ])
    func nonsense(text: String) throws {
        var limits = OperationsLimits()
        limits.requestDeadline = .milliseconds(200)
        limits.keptConnectionDeadline = .milliseconds(200)
        let server = try start(limits: limits)
        let client = try RawClient(port: server.port)
        client.send(text)
        while !client.receive().isEmpty {}
        #expect(try get(server, "/healthz").0 == 200)
    }

    @Test("A header of a megabyte is refused")
    func largeHeader() throws {
        let server = try start()
        let client = try RawClient(port: server.port)
        client.send("GET /metrics HTTP/1.1\r\nHost: x\r\nX: ")
        var isOpen = true
        for _ in 0..<64 where isOpen { isOpen = client.send(String(repeating: "a", count: 16_384)) }
        let answer = client.receive()
        #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 431 ") || answer.contains(" 413 "))
        #expect(try get(server, "/healthz").0 == 200)
    }

    @Test("A client that trickles its header is cut at the deadline although it is active")
    func slowHeader() throws {
        var limits = OperationsLimits()
        limits.requestDeadline = .milliseconds(300)
        let server = try start(limits: limits)
        let client = try RawClient(port: server.port)
        client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n")
        let isCut = eventually {
            client.send("X: y\r\n")
            return client.isClosedByServer
        }
        #expect(isCut)
    }

    @Test("A client that does not read its answer is cut at the deadline")
    func slowReader() throws {
        var limits = OperationsLimits()
        limits.requestDeadline = .milliseconds(300)
        limits.keptConnectionDeadline = .milliseconds(300)
        let server = try start(metrics: String(repeating: "x", count: 12 << 20), limits: limits)
        let client = try RawClient(port: server.port)
        client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(client.receive(12) == "HTTP/1.1 200")
        #expect(eventually { client.isReset })
    }

    @Test("Answers that wait for slow readers are bounded, all together")
    func pendingAnswers() throws {
        var limits = OperationsLimits()
        limits.pendingAnswerBytesMax = 10 << 20
        let server = try start(metrics: String(repeating: "x", count: 8 << 20), limits: limits)
        let slow = try RawClient(port: server.port)
        slow.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(slow.receive(12) == "HTTP/1.1 200")
        #expect(try get(server, "/metrics").0 == 503)
        #expect(try get(server, "/healthz").0 == 200)
    }

    @Test("Two hundred slow clients of another address do not stop a scrape")
    func slowClients() throws {
        let server = try start()
        let slow = try (0..<200).map { n in
            let client = try RawClient(port: server.port, from: "127.0.0.2")
            client.send(n % 2 == 0 ? "GET /metr" : "GET /metrics HTTP/1.1\r\nX")
            return client
        }
        for _ in 0..<20 { #expect(try get(server, "/metrics") == (200, "mds_up 1\n")) }
        #expect(server.acceptedConnections >= 220 && server.cutConnections >= 136)
        // Only this many connections of one address are kept. The oldest were closed.
        #expect(eventually { slow.filter(\.isClosedByServer).count >= 200 - 64 })
        #expect(!slow[199].isClosedByServer)
    }

    @Test("Two hundred slow clients of the scraper's own address do not stop it either")
    func slowClientsOfOwnAddress() throws {
        let server = try start()
        let slow = try (0..<200).map { _ in
            let client = try RawClient(port: server.port)
            client.send("GET /metr")
            return client
        }
        for _ in 0..<20 { #expect(try get(server, "/healthz").0 == 200) }
        #expect(slow.count == 200)
    }

    @Test(
        "Two hundred clients that write and read a byte at a time, stop half way or never read",
        arguments: ["127.0.0.1", "127.0.0.3"])
    func slowClientsOfAllKinds(address: String) throws {
        let metrics = String(repeating: "mds_up 1\n", count: 20_000)
        let server = try start(metrics: metrics)
        let request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        let slow = try (0..<200).map { number in
            let client = try RawClient(port: server.port, from: address)
            switch number % 4 {
            case 0: client.send(String(request.prefix(1)))
            case 1: client.send(String(request.prefix(request.utf8.count / 2)))
            // Many answers are requested, and none is read, or only a byte now and then.
            default: client.send(String(repeating: request, count: 20))
            }
            return client
        }
        for turn in 0..<30 {
            for (number, client) in slow.enumerated() where !client.isClosedByServer {
                let place = request.index(request.startIndex, offsetBy: 1 + turn % 20)
                if number % 4 == 0 { client.send(String(request[place])) }
                if number % 4 == 3 { client.receiveNow(1) }
            }
            for path in ["/healthz", "/readyz", "/metrics", "/status"] {
                #expect(try get(server, path).0 == 200, "turn \(turn)")
            }
        }
        let limits = OperationsLimits()
        #expect(server.cutConnections >= UInt64(200 - limits.connectionsPerAddressMax))
        #expect(server.openConnections <= limits.connectionsPerAddressMax + 32)
        // Every remaining connection is cut at its deadline, however busy it is.
        #expect(
            eventually {
                for (number, client) in slow.enumerated() where number % 4 == 0 {
                    client.send("x")
                }
                return slow.indices.allSatisfy { $0 % 4 > 1 || slow[$0].isClosedByServer }
            })
    }

    @Test("Slow clients of many addresses do not stop a scrape")
    func manyAddresses() throws {
        var limits = OperationsLimits()
        limits.connectionsMax = 20
        limits.connectionsPerAddressMax = 5
        let server = try start(limits: limits)
        let slow = try (0..<60).map { n in
            let client = try RawClient(port: server.port, from: "127.0.1.\(n + 1)")
            client.send("GET /metr")
            return client
        }
        #expect(try get(server, "/metrics").0 == 200)
        #expect(eventually { slow.filter(\.isClosedByServer).count >= 40 })
    }

    @Test("Clients that connect and vanish at once leave nothing behind")
    func vanishingClients() throws {
        let server = try start()
        for n in 0..<300 {
            let client = try RawClient(port: server.port, from: "127.0.2.\(n % 200 + 1)")
            if n % 3 == 0 { client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") }
        }
        #expect(try get(server, "/metrics").0 == 200)
    }

    @Test("A port in use is one line that names the port and the key")
    func portInUse() throws {
        let server = try start()
        let error = #expect(throws: ServiceError.self) { _ = try start(port: server.port) }
        #expect(error == .portInUse(address: "127.0.0.1", port: server.port))
        let text = error?.description ?? ""
        #expect(text.contains("\(server.port)") && text.contains("OPS_PORT"))
        #expect(!text.contains("\n"))
    }

    @Test(
        "An address that is none, or not ours, is an error", arguments: ["example.org", "", "1.2"])
    func badAddress(address: String) {
        #expect(throws: ServiceError.badAddress(address)) { try start(address: address) }
    }

    @Test("An address of another machine is an error that names the keys")
    func foreignAddress() {
        let error = #expect(throws: ServiceError.self) { try start(address: "192.0.2.1") }
        #expect(error?.description.contains("check OPS_ADDRESS and OPS_PORT") == true)
    }

    @Test("It listens on IPv6 and by the name localhost, too", arguments: ["::1", "localhost"])
    func otherAddresses(address: String) throws {
        let server = try start(address: address)
        let answer = try HTTPProbe.get(
            host: address, port: server.port, path: "/healthz", timeout: patience)
        #expect(answer.status == 200)
    }

    @Test(
        "After the stop the port is free, open connections are closed, and stopping again is fine")
    func stop() throws {
        let server = try start()
        let client = try RawClient(port: server.port)
        client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(client.receive(until: "alive\n").hasPrefix("HTTP/1.1 200"))
        server.stop()
        server.stop()
        #expect(client.receive() == "")
        let next = try start(port: server.port)
        #expect(try get(next, "/healthz").0 == 200)
    }

    @Test("A server that nobody holds any more ends by itself")
    func dropped() throws {
        let port = try start().port
        #expect(
            eventually {
                do {
                    _ = try RawClient(port: port)
                    return false
                } catch {
                    return true
                }
            })
    }

    @Test("Scrapes from many threads at once are all answered")
    func concurrent() throws {
        let server = try start()
        let answered = Calls()
        let threads = try (0..<8).map { n in
            try ServiceThread(name: "scraper-\(n)") {
                for _ in 0..<20 {
                    do {
                        let answer = try HTTPProbe.get(
                            host: "127.0.0.1", port: server.port, path: "/status",
                            timeout: patience)
                        if answer.status == 200 { answered.add(n) }
                    } catch {
                        Issue.record(error)
                    }
                }
            }
        }
        for thread in threads { #expect(thread.join(timeout: .seconds(60))) }
        #expect(answered.all.count == 160)
    }
}

extension String {
    /// Returns how often `part` occurs.
    fileprivate func components(_ part: String) -> Int {
        var rest = self[...]
        var count = 0
        while let range = rest.firstRange(of: part) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
