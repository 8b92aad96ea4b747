import Primitives
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import Cockpit

@Suite("Who is let in") struct GateTests {
    private static func gate(
        hosts: [String] = [], token: String = "", proxies: [String] = [],
        hostGateway: String? = nil, hasTLS: Bool = false, path: String = ""
    ) -> Gate {
        Gate(
            settings: Gate.Settings(
                hosts: Gate.loopbackHosts + hosts, token: token, proxies: proxies,
                hostGateway: hostGateway, hasTLS: hasTLS, path: path))
    }

    private static func request(
        _ method: String = "GET", _ path: String = "/", peer: String = "127.0.0.1",
        _ headers: [String: String] = [:]
    ) -> WebRequest {
        let host = ["host": "127.0.0.1:8510"].merging(headers) { $1 }
        return WebRequest(method: method, path: path, headers: host, peer: peer)
    }

    private static func status(_ decision: Gate.Decision) -> Int {
        switch decision {
        case .admitted: 200
        case .unknownPerson: 401
        case .moved: 308
        case .refused(let status, _): status
        }
    }

    @Test(
        "only listed hosts, with any port",
        arguments: [
            ("127.0.0.1:8510", 200), ("localhost", 200), ("[::1]:8510", 200), ("LOCALHOST:1", 200),
            ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost:8510@evil", 421),
            ("", 421), ("[::1", 421), ("localhost:x", 421), ("desk.example", 421),
        ])
    func hosts(host: String, status: Int) {
        let decision = Self.gate().decide(Self.request(["host": host]), isKnown: false)
        #expect(Self.status(decision) == status)
        let listed = Self.gate(hosts: ["desk.example"])
        #expect(
            Self.status(listed.decide(Self.request(["host": "desk.example:1"]), isKnown: false))
                == 200)
    }

    private static func request(_ headers: [String: String]) -> WebRequest {
        request("GET", "/", headers)
    }

    @Test("a request without a host is refused")
    func noHost() {
        let request = WebRequest(method: "GET", path: "/")
        #expect(Self.status(Self.gate().decide(request, isKnown: false)) == 421)
    }

    @Test("what another site asks for is refused; a link from it may be followed")
    func sites() {
        func status(_ method: String, _ headers: [String: String]) -> Int {
            Self.status(Self.gate().decide(Self.request(method, "/", headers), isKnown: false))
        }
        #expect(status("GET", ["origin": "http://127.0.0.1:8510"]) == 200)
        #expect(status("GET", ["origin": "http://evil.example"]) == 403)
        #expect(status("GET", ["origin": "null"]) == 403)
        #expect(status("GET", ["origin": "https://127.0.0.1:8510"]) == 403)
        #expect(status("GET", ["sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"]) == 403)
        #expect(status("GET", ["sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"]) == 403)
        #expect(
            status("GET", ["sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"]) == 200)
        #expect(
            status("POST", ["sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"]) == 403)
        #expect(status("POST", [:]) == 403)
        #expect(status("POST", ["origin": "http://127.0.0.1:8510"]) == 200)
    }

    @Test("behind proxies only they are answered, and only what they bring by TLS")
    func proxies() {
        let gate = Self.gate(token: Self.token, proxies: ["192.0.2.7"])
        func status(_ peer: String, _ scheme: String?, isKnown: Bool) -> Int {
            let headers = scheme.map { ["x-forwarded-proto": $0] } ?? [:]
            return Self.status(
                gate.decide(Self.request("GET", "/", peer: peer, headers), isKnown: isKnown))
        }
        #expect(status("192.0.2.7", "https", isKnown: true) == 200)
        #expect(status("192.0.2.7", "https", isKnown: false) == 401)
        #expect(status("192.0.2.7", "http", isKnown: true) == 403)
        #expect(status("192.0.2.7", nil, isKnown: true) == 403)
        #expect(status("192.0.2.8", "https", isKnown: true) == 403)
    }

    @Test("with TLS of their own the pages answer everybody who has the token")
    func ownTLS() {
        let gate = Self.gate(token: Self.token, hasTLS: true)
        func status(_ headers: [String: String], isKnown: Bool = true, _ method: String = "GET")
            -> Int
        {
            let request = Self.request(method, "/", peer: "203.0.113.9", headers)
            return Self.status(gate.decide(request, isKnown: isKnown))
        }
        #expect(status([:]) == 200)
        #expect(status([:], isKnown: false) == 401)
        #expect(status(["host": "evil.example"]) == 421)
        #expect(status(["origin": "https://127.0.0.1:8510"], "POST") == 200)
        #expect(status(["origin": "http://127.0.0.1:8510"], "POST") == 403)
        #expect(gate.comesByTLS(Self.request([:])))
        // Listed proxies are the only peers here, too, and bring browsers by TLS as ever.
        let listed = Self.gate(proxies: ["192.0.2.7"], hasTLS: true)
        let cases = [("192.0.2.7", "https"), ("192.0.2.7", "http"), ("203.0.113.9", "https")]
        let answers = cases.map { peer, scheme in
            let request = Self.request("GET", "/", peer: peer, ["x-forwarded-proto": scheme])
            return Self.status(listed.decide(request, isKnown: true))
        }
        #expect(answers == [200, 403, 403])
    }

    @Test("in a container its host is answered without TLS, and no other peer of that network")
    func hostLoopback() {
        let gate = Self.gate(
            token: Self.token, proxies: ["192.0.2.7"], hostGateway: "172.20.0.1")
        func status(
            _ peer: String, _ headers: [String: String] = [:], isKnown: Bool = true,
            _ method: String = "GET"
        ) -> Int {
            Self.status(
                gate.decide(Self.request(method, "/", peer: peer, headers), isKnown: isKnown))
        }
        #expect(status("172.20.0.1") == 200)
        #expect(status("172.20.0.1", isKnown: false) == 401)
        for foreign in ["172.20.0.2", "172.20.0.10", "203.0.113.9", "127.0.0.1", ""] {
            #expect(status(foreign) == 403, "\(foreign)")
            #expect(status(foreign, ["x-forwarded-proto": "https"]) == 403, "\(foreign)")
        }
        // The names and the other sites are looked at as everywhere.
        #expect(status("172.20.0.1", ["host": "172.20.0.5:8510"]) == 421)
        #expect(status("172.20.0.1", ["host": "evil.example"]) == 421)
        #expect(status("172.20.0.1", ["origin": "http://127.0.0.1:8510"], "POST") == 200)
        #expect(status("172.20.0.1", ["origin": "http://evil.example"], "POST") == 403)
        #expect(status("172.20.0.1", [:], "POST") == 403)
        // A proxy beside it brings browsers by TLS, as ever.
        #expect(status("192.0.2.7") == 403)
        let origin = ["x-forwarded-proto": "https", "origin": "https://127.0.0.1:8510"]
        #expect(status("192.0.2.7", origin, "POST") == 200)
        #expect(status("172.20.0.1", origin, "POST") == 403)
    }

    @Test("the host of a container is the gateway of its default route")
    func gateway() throws {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n"
        func route(_ destination: String, _ gateway: String, _ flags: String, _ metric: Int)
            -> String
        {
            let mask = destination == "00000000" ? "00000000" : "0000FFFF"
            return
                "eth0\t\(destination)\t\(gateway)\t\(flags)\t0\t0\t\(metric)\t\(mask)\t0\t0\t0  \n"
        }
        let near = route("000014AC", "00000000", "0001", 0)
        let far = route("00000000", "010014AC", "0003", 0)
        #expect(HostGateway.address(in: head + near + far) == "172.20.0.1")
        #expect(HostGateway.address(in: head + far + near) == "172.20.0.1")
        let dear = route("00000000", "FE0015AC", "0003", 100)
        #expect(HostGateway.address(in: head + dear) == "172.21.0.254")
        #expect(HostGateway.address(in: head + dear + far) == "172.20.0.1")
        #expect(HostGateway.address(in: head + far + dear) == "172.20.0.1")
        // No gateway, none to this machine, and what the kernel does not write.
        for bad in [
            "", head, head + near, far, head + route("00000000", "010014AC", "0001", 0),
            head + route("00000000", "00000000", "0003", 0), head + "eth0\t00000000\n",
            head + route("00000000", "1010014AC", "0003", 0),
        ] {
            #expect(HostGateway.address(in: bad) == nil, "\(bad)")
        }
        let found = Result { try HostGateway.find { _, _ in .failure(.cannotOpen(code: 2)) } }
        #expect("\(found)".contains("COCKPIT_ON_HOST_LOOPBACK: /proc/net/route cannot be opened"))
        let none = Result { try HostGateway.find { _, _ in .success(FileContent(bytes: [])) } }
        #expect("\(none)".contains("has no default route"))
    }

    @Test("under a path, with and without its slash")
    func path() {
        let gate = Self.gate(path: "/desk")
        func decide(_ path: String) -> Gate.Decision {
            gate.decide(Self.request("GET", path, [:]), isKnown: false)
        }
        #expect(decide("/desk") == .moved(to: "/desk/"))
        #expect(decide("/desk/") == .admitted(path: "/"))
        #expect(decide("/desk/gaps") == .admitted(path: "/gaps"))
        #expect(Self.status(decide("/")) == 404)
        #expect(Self.status(decide("/deskgaps")) == 404)
    }

    /// Returns the problems of these settings together.
    private static func problems(_ parts: [String: String]...) -> [String] { problems(parts) }

    private static func problems(_ parts: [[String: String]]) -> [String] {
        TestService.problems(Main.description, parts.reduce([:]) { $0.merging($1) { $1 } })
    }

    private static let shared = ["COCKPIT_TOKEN": token]
    private static let open = ["COCKPIT_ADDRESS": "0.0.0.0"]
    private static let proxies = ["COCKPIT_PROXIES": "192.0.2.7"]
    private static let published = ["COCKPIT_ON_HOST_LOOPBACK": "true"]
    private static let header = ["COCKPIT_PERSON_HEADER": "X-User"]
    private static let unasked =
        "COCKPIT_TOKEN, COCKPIT_TOKEN_FILE or COCKPIT_PEOPLE has to be set, or "
        + "COCKPIT_READERS to all"

    /// Settings, with what the first problem says. `nil`: there is no problem.
    private static let configurations: [([[String: String]], String?)] = [
        ([], nil),
        ([["COCKPIT_ADDRESS": "127.8.8.8"]], nil),
        ([open, proxies], unasked),
        (
            [open, shared],
            "so COCKPIT_TLS_CERTIFICATE has to be set, or COCKPIT_PROXIES to list the proxies "
                + "that bring browsers by TLS"
        ),
        ([open, shared, proxies], nil),
        // In a container the host's own loopback is as good as a proxy, and no better than a token.
        ([open, shared, published], nil),
        ([open, published], "so \(unasked)"),
        ([shared, published], "set it to 0.0.0.0"),
        // A proxy, or a name that is not of loopback, means that others reach the pages.
        ([["COCKPIT_PROXIES": "127.0.0.1"]], unasked),
        ([["COCKPIT_PROXIES": "127.0.0.1", "COCKPIT_HOSTS": "localhost,desk.example"]], unasked),
        ([proxies, shared, ["COCKPIT_READERS": "all"]], "COCKPIT_READERS: "),
        ([shared, ["COCKPIT_HOSTS": "LocalHost,127.0.0.2"]], nil),
        ([shared, ["COCKPIT_HOSTS": "desk.example"]], "COCKPIT_PROXIES to list"),
        ([["POSTGRES_HOST": "db-a,db-b:5433,[::1]:7"]], nil),
        ([["COCKPIT_PROMETHEUS": "host:9090"]], "COCKPIT_PROMETHEUS: it is not http://"),
        ([["COCKPIT_PROMETHEUS": "ftp://a:1"]], "COCKPIT_PROMETHEUS: it is not http://"),
        ([["COCKPIT_PROMETHEUS": "http://me:secret@a:1"]], "COCKPIT_PROMETHEUS: it is not http://"),
        ([["COCKPIT_PROMETHEUS": "http://a:1/?query=up"]], "COCKPIT_PROMETHEUS: it is not http://"),
        ([["COCKPIT_PROMETHEUS": "http://a:9090"]], nil),
        ([["COCKPIT_PROMETHEUS": "https://a/prometheus/"]], nil),
        ([["COCKPIT_PROMETHEUS": ""]], nil),
        ([["COCKPIT_TLS_KEY": "/none"]], "set both, or neither"),
        (
            [["COCKPIT_TLS_CERTIFICATE": "/none.crt", "COCKPIT_TLS_KEY": "/none.key"]],
            "COCKPIT_TLS_CERTIFICATE: /none.crt cannot be opened: "
        ),
        ([["COCKPIT_TOKEN": "short"]], "fewer than 16"),
        ([["COCKPIT_PATH": "desk"]], "COCKPIT_PATH: desk is no path"),
        ([["COCKPIT_SERVICES": "a:1,b"]], "COCKPIT_SERVICES: b is not host:port"),
        ([["NATS_USER": "desk"]], nil),
        ([header], "list it in COCKPIT_PROXIES"),
        ([proxies, ["COCKPIT_PERSON_HEADER": "a b"]], "no name of a header"),
        // A proxy that knows people is as good as the token of all.
        ([open, proxies, header], nil),
        ([["COCKPIT_PEOPLE": "/none"]], "COCKPIT_PEOPLE: /none cannot be opened: "),
    ]

    @Test(
        "an address of others needs a token and TLS, and a wrong setting is refused",
        arguments: configurations)
    func configuration(parts: [[String: String]], problem: String?) {
        let found = Self.problems(parts)
        #expect(found.isEmpty == (problem == nil), "\(found)")
        #expect(found.first?.contains(problem ?? "") != false, "\(found)")
        #expect(!found.contains { $0.contains("secret") })
    }

    @Test("all that is wrong is told at once")
    func several() {
        let nothing = Self.problems(
            Self.open, ["COCKPIT_SERVICES": "b", "POSTGRES_HOST": "a,,b"])
        #expect(nothing.count == 3)
        #expect(["COCKPIT_TOKEN", "COCKPIT_PROXIES"].allSatisfy { nothing[0].contains($0) })
        #expect(Self.problems(["COCKPIT_PEOPLE": "/none"], Self.header).count == 2)
    }

    @Test(
        "who reaches the pages from elsewhere is asked, unless all may read",
        arguments: [
            (shared, true), (["COCKPIT_PERSON_HEADER": "X-User"], true),
            (["COCKPIT_READERS": "all"], false),
        ])
    func reachable(_ more: [String: String], isAsked: Bool) throws {
        for hosts in ["", "localhost,desk.example"] {
            let all = ["COCKPIT_PROXIES": "127.0.0.1", "COCKPIT_HOSTS": hosts].merging(more) { $1 }
            let settings = try CockpitSettings(TestService.configuration(Main.description, all))
            #expect(settings.gate.asksReaders == isAsked)
        }
    }

    @Test("nobody acts who is not known, and only a listed proxy names people")
    func people() throws {
        let folder = try TemporaryFolder()
        let digest = String(repeating: "a", count: 64)
        let list = ["COCKPIT_PEOPLE": try folder.write("alice:\(digest)\n", to: "people")]
        let on = ["COCKPIT_ACTIONS": "true"]
        let keyed = on.merging(["COCKPIT_ACTIONS_KEY": String(repeating: "k", count: 32)]) { $1 }
        let unknown = Self.problems(on)
        #expect(unknown.count == 2 && unknown[0].hasPrefix("COCKPIT_ACTIONS: nobody can act"))
        #expect(unknown.last?.hasPrefix("COCKPIT_ACTIONS_KEY or ") == true)
        #expect(
            Self.problems(on, list, ["COCKPIT_ACTIONS_KEY": "k"])
                == ["COCKPIT_ACTIONS_KEY: it has fewer than 32 characters"])
        // A token of one's own is as good as the token of all.
        for known in [
            [keyed, list], [keyed, Self.header, Self.proxies], [Self.open, Self.proxies, list],
            [keyed, list, ["NATS_USER": "cockpit"]],
        ] {
            #expect(Self.problems(known) == [])
        }
        // Requests of another user are not taken, and nobody would say so.
        #expect(
            Self.problems(keyed, list, ["NATS_USER": "desk"]) == [
                "COCKPIT_ACTIONS: 'tapeline actions serve' takes requests of the user cockpit of "
                    + "NATS alone, and NATS_USER is desk"
            ])
        for (text, problem) in [("alice\n", "line 1"), ("", "names nobody")] {
            let bad = Self.problems(["COCKPIT_PEOPLE": try folder.write(text, to: "bad")])
            #expect(bad.first?.contains(problem) == true, "\(bad)")
        }
    }

    private static let token = "0123456789abcdef"

    /// Asks at a second, with the token that all share.
    private static func open(
        _ sessions: inout Sessions, _ given: String, _ id: String, from origin: String = "",
        at seconds: Double
    ) -> Sessions.Outcome {
        sessions.open(
            .init(token: given, id: id, origin: origin), .init(shared: token),
            at: MadeSighting.time(seconds))
    }

    @Test("somebody is known by the cookie, for twelve hours")
    func sessions() {
        var sessions = Sessions()
        func has(_ id: String, _ seconds: Double) -> Bool {
            sessions.visitor(.init(ids: [id]), at: MadeSighting.time(seconds)) != nil
        }
        #expect(Self.open(&sessions, "wrong", "a", at: 0) == .wrong)
        #expect(Self.open(&sessions, Self.token, "b", at: 0) == .opened(.reader))
        #expect(has("b", 1) && !has("a", 1) && !has("", 1))
        #expect(!has("b", 12 * 3_600))
        let empty = sessions.open(
            .init(token: "", id: "f"), .init(shared: ""), at: MadeSighting.time(61))
        #expect(empty == .wrong)
        for number in 0..<Sessions.countMax {
            _ = Self.open(&sessions, Self.token, "n\(number)", at: 62)
        }
        #expect(!has("b", 63) && has("n0", 63))
    }

    @Test("wrong tokens are limited, and a right one never is")
    func guesses() {
        var sessions = Sessions()
        func wrong(from origin: String, _ seconds: Double = 2) -> Sessions.Outcome {
            Self.open(&sessions, "x", "w", from: origin, at: seconds)
        }
        // One that comes by IPv6 has any number of addresses of one network.
        for number in 1...Sessions.wrongMax {
            #expect(wrong(from: "2001:db8:0:1::\(number)") == .wrong)
        }
        #expect(wrong(from: "2001:db8:0:1:ffff::1") == .tooMany)
        #expect(wrong(from: "2001:db8:0:2::1") == .wrong)
        #expect(wrong(from: "192.0.2.1") == .wrong)
        let right = Self.open(&sessions, Self.token, "r", from: "2001:db8:0:1::1", at: 3)
        #expect(right == .opened(.reader))
        #expect(wrong(from: "2001:db8:0:1::1", 62) == .wrong)
        for number in 0..<Sessions.wrongOfAllMax { _ = wrong(from: "10.0.0.\(number)", 63) }
        #expect(wrong(from: "10.1.0.1", 64) == .tooMany)
        #expect(Self.open(&sessions, Self.token, "s", at: 64) == .opened(.reader))
    }

    @Test("what a form sends")
    func form() {
        let form = SignIn.form(Array("token=a%2Bb+c%26&key=k%3D".utf8))
        #expect(form == ["token": "a+b c&", "key": "k="])
        for bad in ["", "tok", "token=a%2", "token=a&token=b", "token=%zz", "token=a&"] {
            #expect(SignIn.form(Array(bad.utf8)) == [:], "\(bad)")
        }
        #expect(SignIn.key(in: ["key": "short"]) == "" && SignIn.key(in: [:]) == "")
    }

    @Test("all cookies of the name are looked at; by TLS it has a beginning that guards it")
    func cookies() {
        let name = SignIn.cookie(byTLS: false, path: "")
        #expect(name == "tapeline_cockpit")
        #expect(
            SignIn.ids(in: "tapeline_cockpit=other; x=1; tapeline_cockpit=own", named: name)
                == ["other", "own"])
        #expect(SignIn.ids(in: "xtapeline_cockpit=abc; tapeline_cockpit", named: name) == [])
        #expect(SignIn.cookie(byTLS: true, path: "") == "__Host-tapeline_cockpit")
        // A browser takes the other one for the path "/" alone.
        #expect(SignIn.cookie(byTLS: true, path: "/desk") == "__Secure-tapeline_cockpit")
    }
}
