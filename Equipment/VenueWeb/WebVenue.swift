package import Primitives

/// A venue on HTTP and WebSockets without sockets: bytes and times come in, bytes go out. The same
/// seed, bytes and times give the same answers.
package struct WebVenue<Site: WebSite>: Sendable {
    package var site: Site
    /// True after the command `quit`.
    package internal(set) var isEnding = false
    /// True after the command `crash`. The owner of the sockets must then end the process
    /// immediately, with its logs complete.
    package internal(set) var isCrashing = false

    var connections: [Site.Connection] = []
    /// New connections are refused before this time.
    var refusesUntil: Timestamp?
    var requestFaults = RequestFaults()
    /// So many of the next WebSockets are refused by a status.
    var refusedSockets = (left: 0, status: 0)
    /// Random numbers for the bytes of `garbage`.
    var random: SeededRandom

    private var time: Timestamp
    private var truth: VenueLog
    private var sequence: Int64 = 0

    package init(_ site: Site, start: Timestamp) {
        self.site = site
        time = start
        truth = VenueLog(isWanted: site.settings.keepsTruth)
        random = SeededRandom(seed: site.seed)
    }

    // MARK: connections

    /// Returns false if the connection must be closed immediately.
    package mutating func opened(_ number: Int, now: Timestamp) -> Bool {
        if let refusesUntil, now < refusesUntil { return false }
        guard connections.count < WebLimits.connectionsMax else { return false }
        connections.append(
            WebConnection(number: number, session: site.newSession(), now: now))
        return true
    }

    package mutating func received(_ bytes: [UInt8], from number: Int, now: Timestamp) {
        guard let place = place(of: number), !connections[place].faults.isHalfOpen,
            !connections[place].out.isClosing
        else { return }
        connections[place].input += bytes
        readRequests(place, now)
        guard connections[place].isWebSocket else { return }
        while let message = connections[place].nextMessage(now, site.settings) {
            site.received(message, from: &connections[place], now: now)
        }
    }

    package mutating func closed(_ number: Int) {
        guard let place = place(of: number) else { return }
        let connection = connections.remove(at: place)
        if connection.isWebSocket { site.ended(connection, now: time) }
    }

    private func place(of number: Int) -> Int? { connections.firstIndex { $0.number == number } }

    private mutating func readRequests(_ place: Int, _ now: Timestamp) {
        while !connections[place].isWebSocket, !connections[place].out.isClosing {
            switch VenueRequest.read(connections[place].input) {
            case .incomplete: return
            case .malformed:
                connections[place].send(HTTPAnswer(status: 400))
                connections[place].out.closeWhenSent()
            case .request(let request, let count):
                connections[place].input.removeFirst(count)
                if request.wantsWebSocket {
                    upgrade(request, place, now)
                } else {
                    answer(request, place, now)
                    if request.closesAfterwards { connections[place].out.closeWhenSent() }
                }
            }
        }
    }

    private mutating func upgrade(_ request: VenueRequest, _ place: Int, _ now: Timestamp) {
        let isRefused = refusedSockets.left > 0
        if isRefused { refusedSockets.left -= 1 }
        let answer =
            isRefused
            ? site.refusal(request, status: refusedSockets.status)
            : site.upgrade(request, of: &connections[place].session)
        connections[place].send(answer)
        guard answer.status == 101 else { return connections[place].out.closeWhenSent() }
        connections[place].isWebSocket = true
        site.began(&connections[place], now: now)
    }

    // MARK: bytes out

    /// Returns how many bytes may be sent to this client now.
    package func allowance(of number: Int, now: Timestamp) -> Int {
        place(of: number).map { connections[$0].allowance(now) } ?? 0
    }

    package func bytes(for number: Int, count: Int) -> ArraySlice<UInt8> {
        place(of: number).map { connections[$0].out.first(count) } ?? []
    }

    /// Takes note that `count` bytes were sent. The messages that they complete are written to the
    /// truth log.
    package mutating func sent(_ count: Int, to number: Int, now: Timestamp) {
        guard let place = place(of: number) else { return }
        for message in connections[place].out.took(count) {
            sequence += 1
            let line = sequence
            truth.add { json in
                json.member("sequence", line)
                json.member("time", now.nanoseconds)
                json.member("connection", number)
                json.member("kind", message.kind)
                if !message.details.isEmpty { json.literal(message.details) }
            }
        }
    }

    /// Returns true if nothing more will be sent to this client.
    package func isOver(_ number: Int) -> Bool {
        place(of: number).map { connections[$0].out.isClosed } ?? true
    }

    package mutating func takeTruth() -> [UInt8] { truth.takeLines() }
    package mutating func takeMarketLog() -> [UInt8] { site.takeMarketLog() }

    // MARK: time

    /// Runs the market until `now`.
    package mutating func advance(to now: Timestamp) {
        guard now > time else { return }
        let earliest = now.advanced(byNanoseconds: -WebLimits.catchUpSeconds * 1_000_000_000)
        site.publish(after: max(time, earliest), until: now, to: &connections)
        time = now
        for place in connections.indices where connections[place].isWebSocket {
            connections[place].timePassed(now, site.settings)
            if !connections[place].faults.isHalfOpen {
                site.timePassed(&connections[place], now: now)
            }
        }
    }
}
