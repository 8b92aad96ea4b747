import Primitives
import ServiceRuntime
import Synchronization

/// Answers the requests of browsers, on the thread of the server.
final class Site: Sendable {
    static let cookie = "tapeline_cockpit"
    static let admission = WebAdmission(
        headers: [
            "host", "origin", "cookie", "sec-fetch-site", "sec-fetch-mode", "x-forwarded-proto",
            "last-event-id", "if-none-match",
        ], parameters: ChartQuestion.parameters + TapeQuestion.parameters,
        bodyBytesMax: CockpitLimits.bodyBytesMax,
        streamsMax: CockpitLimits.streamsMax)

    /// Sent with every answer. Nothing comes from elsewhere, and no code or style is in the pages.
    static let headers = [
        WebHeader(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                + "img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
        WebHeader("X-Content-Type-Options", "nosniff"),
        WebHeader("X-Frame-Options", "DENY"),
        WebHeader("Referrer-Policy", "same-origin"),
        WebHeader("Cross-Origin-Resource-Policy", "same-origin"),
        WebHeader("Cross-Origin-Opener-Policy", "same-origin"),
    ]

    /// Returns the document at a path with these parameters, `nil` if there is none. It must not
    /// block.
    typealias Documents = @Sendable (String, [String: String], MonotonicTime) -> PageAnswer?

    private let gate: Gate
    private let context: ServiceContext
    private let audience: Audience
    private let document: Documents
    private let sessions = Mutex(Sessions())

    init(
        _ settings: Gate.Settings, _ context: ServiceContext, _ audience: Audience,
        document: @escaping Documents
    ) {
        self.document = document
        gate = Gate(settings: settings)
        self.context = context
        self.audience = audience
    }

    func answer(_ request: WebRequest) -> WebAnswer {
        let now = context.clock.monotonic()
        let id = Self.session(in: request.headers["cookie"])
        let isKnown = id.map { id in sessions.withLock { $0.has(id, at: now) } } ?? false
        switch gate.decide(request, isKnown: isKnown) {
        case .refused(let status, let reason): return .whole(Self.text(reason, status: status))
        case .moved(let path):
            var moved = Self.text("the pages are at \(path)", status: 308)
            moved.headers.append(WebHeader("Location", path))
            return .whole(moved)
        case .unknownPerson(let path):
            return .whole(answerUnknown(request, path, at: now))
        case .admitted(let path):
            guard request.method != "POST" else {
                return .whole(Self.text("nothing can be changed here", status: 405))
            }
            audience.note(at: now)
            if path == "/events" { return .events(Self.headers) }
            if let answer = document(path, request.parameters, now) {
                return .whole(Self.json(answer, request.headers["if-none-match"]))
            }
            return .whole(Self.file(path, request.headers["if-none-match"]))
        }
    }

    // MARK: the token

    private func answerUnknown(
        _ request: WebRequest, _ path: String, at now: MonotonicTime
    ) -> OperationsResponse {
        if request.method == "POST", path == "/session" { return open(request, at: now) }
        // Style and picture of the page that asks for the token.
        if WebFiles.open.contains(path) { return Self.file(path, request.headers["if-none-match"]) }
        guard WebFiles.pages.contains(path), request.method != "POST" else {
            return Self.text("the token is needed: open the first page", status: 401)
        }
        return Self.page(TokenPage.text(hasFailed: false), status: 401)
    }

    private func open(_ request: WebRequest, at now: MonotonicTime) -> OperationsResponse {
        let given = Self.token(in: request.body)
        var random = SystemRandomNumberGenerator()
        let id = (0..<4).map { _ in String(random.next() as UInt64, radix: 36) }.joined()
        let outcome = sessions.withLock {
            $0.open(given, token: gate.settings.token, id: id, at: now)
        }
        switch outcome {
        case .tooMany:
            var answer = Self.text("too many wrong tokens: wait a minute", status: 429)
            answer.headers.append(WebHeader("Retry-After", "60"))
            return answer
        case .wrong:
            context.telemetry.emit(TokenRefused(peer: request.peer))
            return Self.page(TokenPage.text(hasFailed: true), status: 401)
        case .opened:
            var answer = Self.text("come in", status: 303)
            let secure = gate.comesByTLS(request) ? "; Secure" : ""
            let path = gate.settings.path + "/"
            // Relative, as a proxy may have the pages under a path that it does not pass on.
            answer.headers.append(WebHeader("Location", "./"))
            answer.headers.append(
                WebHeader(
                    "Set-Cookie",
                    "\(Self.cookie)=\(id); HttpOnly; SameSite=Strict; Path=\(path)\(secure)"))
            return answer
        }
    }

    /// Reads `token=...` as a form sends it.
    static func token(in body: [UInt8]) -> String {
        let text = String(decoding: body, as: UTF8.self)
        guard text.hasPrefix("token=") else { return "" }
        var bytes: [UInt8] = []
        var rest = Array(text.dropFirst("token=".count).utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                guard digits.utf8.count == 2, let value = UInt8(digits, radix: 16) else {
                    return ""
                }
                bytes.append(value)
                rest = rest.dropFirst(2)
            case UInt8(ascii: "&"): return ""
            case _: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func session(in cookies: String?) -> String? {
        for pair in (cookies ?? "").split(separator: ";") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, parts[0].filter({ $0 != " " }) == cookie else { continue }
            return String(parts[1].filter { $0 != " " })
        }
        return nil
    }

    // MARK: answers

    /// A document that the page has already is not sent again.
    private static func json(_ page: PageAnswer, _ known: String?) -> OperationsResponse {
        let tag = WebFile.tag(of: page.json)
        var answer = OperationsResponse(
            status: page.status, contentType: "application/json", body: page.json,
            headers: headers + [
                WebHeader("Cache-Control", "no-store"), WebHeader("ETag", tag),
            ])
        if known == tag, page.status == 200 { (answer.status, answer.body) = (304, []) }
        return answer
    }

    private static func file(_ path: String, _ known: String?) -> OperationsResponse {
        guard let file = WebFiles.file(path) else {
            return text("there is no such page", status: 404)
        }
        var answer = OperationsResponse(
            contentType: file.type, body: file.bytes,
            headers: headers + [
                WebHeader("Cache-Control", "no-cache"), WebHeader("ETag", file.tag),
            ])
        if known == file.tag { (answer.status, answer.body) = (304, []) }
        return answer
    }

    private static func page(_ text: String, status: Int) -> OperationsResponse {
        OperationsResponse(
            status: status, contentType: "text/html; charset=utf-8", body: Array(text.utf8),
            headers: headers)
    }

    private static func text(_ text: String, status: Int) -> OperationsResponse {
        var answer = OperationsResponse.text(text, status: status)
        answer.headers = headers
        return answer
    }
}
