import ServiceRuntime

/// Decides whether a request may be answered, before anything else of it counts. Pure.
struct Gate: Sendable {
    struct Settings: Equatable, Sendable {
        /// Names and addresses by which browsers may reach the pages, without ports.
        var hosts: [String]
        /// Empty: nobody reads by it.
        var token: String
        /// Those who have a token of their own, and so may change something.
        var people = People()
        /// Where both are read again. `nil`: they are in no file.
        var files: TokenFiles?
        /// The header by which a listed proxy names the person. `nil`: none does.
        var personHeader: String?
        /// Whether somebody has to say who he is before he reads.
        var asksReaders = false
        /// The peers that bring browsers by TLS.
        var proxies: [String]
        /// The gateway of a container's network: as that peer the browsers of its host come, by the
        /// port that the host publishes on its loopback. `nil`: the pages are not in a container.
        var hostGateway: String?
        /// Whether the pages themselves speak TLS.
        var hasTLS = false
        /// Whether browsers are to ask this host by TLS alone from now on.
        var isStrict = false
        /// The path under which the pages are, without a slash at its end.
        var path: String
    }

    enum Decision: Equatable, Sendable {
        /// The path below that of the pages.
        case admitted(path: String)
        /// The pages ask for the token.
        case unknownPerson(path: String)
        case refused(status: Int, reason: String)
        /// To the pages' path with its slash.
        case moved(to: String)
    }

    static let loopbackHosts = ["127.0.0.1", "localhost", "::1"]

    /// What can be reached from this machine alone.
    static func isLoopback(_ address: String) -> Bool {
        address == "localhost" || address == "::1"
            || (address.hasPrefix("127.") && address.split(separator: ".").count == 4)
    }

    let settings: Settings

    var tokens: Sessions.Tokens {
        settings.files?.tokens ?? .init(shared: settings.token, people: settings.people)
    }

    func decide(_ request: WebRequest, isKnown: Bool) -> Decision {
        guard isAnswered(request.peer) else {
            return .refused(status: 403, reason: "only the listed proxies are answered")
        }
        if settings.proxies.contains(request.peer),
            request.headers["x-forwarded-proto"] != "https"
        {
            return .refused(status: 403, reason: "the proxy has to bring browsers by TLS")
        }
        guard let host = request.headers["host"], let name = Self.name(of: host),
            settings.hosts.contains(name)
        else {
            return .refused(
                status: 421, reason: "this host is not one of the pages' names (COCKPIT_HOSTS)")
        }
        if let refusal = foreign(request, host) { return refusal }
        guard request.path != settings.path || settings.path.isEmpty else {
            return .moved(to: settings.path + "/")
        }
        guard request.path.hasPrefix(settings.path + "/") else {
            return .refused(status: 404, reason: "there is no such page")
        }
        let path = String(request.path.dropFirst(settings.path.count))
        return isFree || isKnown
            ? .admitted(path: path) : .unknownPerson(path: path)
    }

    /// Whether nobody has to be known before he reads.
    var isFree: Bool { settings.token.isEmpty && !settings.asksReaders }

    /// Whether the browser speaks TLS: with the pages, or with the proxy that brings the request.
    func comesByTLS(_ request: WebRequest) -> Bool {
        settings.hasTLS || settings.proxies.contains(request.peer)
    }

    /// Returns where a request comes from: of one that a listed proxy brings, what the proxy says.
    func origin(of request: WebRequest) -> String {
        guard settings.proxies.contains(request.peer),
            let last = request.headers["x-forwarded-for"]?.split(separator: ",").last
        else { return request.peer }
        let address = last.filter { $0 != " " }
        let isAddress =
            (1...45).contains(address.utf8.count)
            && address.allSatisfy { $0.isHexDigit || ".:".contains($0) }
        return isAddress ? String(address) : request.peer
    }

    /// Returns the person whom a listed proxy names. `nil` if none does, or no plain name.
    func person(_ request: WebRequest) -> String? {
        guard let header = settings.personHeader, settings.proxies.contains(request.peer),
            let name = request.headers[header], People.isName(name)
        else { return nil }
        return name
    }

    /// With neither proxies nor a gateway, the pages are on loopback, and all peers are of this
    /// machine; or they speak TLS and ask everybody for the token.
    private func isAnswered(_ peer: String) -> Bool {
        (settings.proxies.isEmpty && settings.hostGateway == nil)
            || settings.proxies.contains(peer) || settings.hostGateway == peer
    }

    /// Refuses what a page of another site has caused. A person may follow a link to the pages; a
    /// script may not ask for them.
    private func foreign(_ request: WebRequest, _ host: String) -> Decision? {
        let refusal = Decision.refused(status: 403, reason: "another site asks for this")
        if let origin = request.headers["origin"] {
            let scheme = comesByTLS(request) ? "https" : "http"
            guard origin.lowercased() == "\(scheme)://\(host.lowercased())" else { return refusal }
        } else if request.method == "POST" {
            return refusal
        }
        let site = request.headers["sec-fetch-site"] ?? "none"
        let isNavigation =
            request.headers["sec-fetch-mode"] == "navigate" && request.method == "GET"
        return ["none", "same-origin"].contains(site) || isNavigation ? nil : refusal
    }

    /// Returns a host's name without its port, in lower case. `nil` if it is none.
    static func name(of host: String) -> String? {
        let host = host.lowercased()
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return nil }
            let rest = host[host.index(after: end)...]
            guard rest.isEmpty || isPort(rest) else { return nil }
            return String(host[host.index(after: host.startIndex)..<end])
        }
        guard let colon = host.firstIndex(of: ":") else { return host.isEmpty ? nil : host }
        guard isPort(host[colon...]) else { return nil }
        return String(host[..<colon])
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.hasPrefix(":") && UInt16(text.dropFirst()) != nil
    }
}
