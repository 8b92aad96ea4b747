internal import Primitives

/// The answers to requests, with the faults that commands have ordered for them.
extension WebVenue {
    /// Bytes that are sent instead of an answer.
    private static var junkBytes: Int { 1_000 }

    mutating func answer(_ request: VenueRequest, _ place: Int, _ now: Timestamp) {
        if let seconds = requestFaults.banSeconds(now) {
            var refusal = site.refusal(request, status: 418)
            refusal.headers.append(("Retry-After", "\(seconds)"))
            return connections[place].send(refusal)
        }
        switch requestFaults.take() {
        case .limited(let seconds):
            var refusal = site.refusal(request, status: 429)
            if let seconds { refusal.headers.append(("Retry-After", "\(seconds)")) }
            connections[place].send(refusal)
        case .refused(let status): connections[place].send(site.refusal(request, status: status))
        case .halved:
            var answer = site.answer(request, now: now)
            answer.body.removeLast((answer.body.count + 1) / 2)
            connections[place].send(answer.spoilt)
        case .late(let seconds):
            connections[place].send(site.answer(request, now: now))
            connections[place].faults.heldUntil = now.advanced(
                byNanoseconds: seconds * 1_000_000_000)
        case .reset: connections[place].out.closeNow()
        case .severed:
            let bytes = site.answer(request, now: now).bytes
            end(place, after: Array(bytes.prefix(bytes.count - bytes.count / 3)))
        case .hung: connections[place].faults.isHalfOpen = true
        case .junk: end(place, after: garbage(Self.junkBytes))
        case .wrong:
            let texts = RequestFaults.wrongTexts
            let text = texts[Int(random.next() % UInt64(texts.count))]
            connections[place].send(.json { $0.literal(text) })
        case .swollen(let count):
            var answer = site.answer(request, now: now)
            answer.body += [UInt8](repeating: UInt8(ascii: " "), count: count)
            connections[place].send(answer.spoilt)
        case nil: connections[place].send(site.answer(request, now: now))
        }
    }

    /// Ends a connection with bytes that are no whole answer.
    private mutating func end(_ place: Int, after bytes: [UInt8]) {
        connections[place].out.append(raw: bytes)
        connections[place].out.closeWhenSent()
    }
}
