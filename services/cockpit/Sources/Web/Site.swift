import Primitives
import ServiceRuntime
import Synchronization

/// Answers the requests of browsers, on the thread of the server.
final class Site: Sendable {
    static let admission = admission(personHeader: nil)

    /// What the server reads of requests, with the header by which proxies name people.
    static func admission(personHeader: String?) -> WebAdmission {
        WebAdmission(
            headers: [
                "host", "origin", "cookie", "sec-fetch-site", "sec-fetch-mode",
                "x-forwarded-proto", "x-forwarded-for", "last-event-id", "if-none-match",
                "accept-encoding", SignIn.keyHeader,
            ] + [personHeader].compactMap(\.self),
            parameters: ChartQuestion.parameters + TapeQuestion.parameters
                + LatestQuestion.parameters + MarketQuestion.parameters + AskAnswers.parameters,
            bodyBytesMax: CockpitLimits.bodyBytesMax,
            streamsMax: CockpitLimits.streamsMax)
    }

    /// Sent with every answer. Nothing comes from elsewhere, and no code or style is in the pages.
    static let headers = [
        WebHeader(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                + "worker-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
                + "frame-ancestors 'none'"),
        WebHeader("X-Content-Type-Options", "nosniff"),
        WebHeader("X-Frame-Options", "DENY"),
        WebHeader("Referrer-Policy", "same-origin"),
        WebHeader("Cross-Origin-Resource-Policy", "same-origin"),
        WebHeader("Cross-Origin-Opener-Policy", "same-origin"),
    ]

    /// Sent where the pages own the name of their host. A browser then asks all ports of that name
    /// by TLS, so it is not sent from a port beside which others may be without TLS.
    static let strict = WebHeader("Strict-Transport-Security", "max-age=31536000")

    /// Sent with documents, which are no pages. They come often, so these are few.
    private static let dataHeaders = headers.filter {
        ["X-Content-Type-Options", "Cross-Origin-Resource-Policy"].contains($0.name)
    }

    /// Returns the document at a path with these parameters, `nil` if there is none. It must not
    /// block.
    typealias Documents = @Sendable (String, [String: String], MonotonicTime) -> PageAnswer?

    /// Where people change something, or ask in SQL.
    struct Desks: Sendable {
        let actions: ActionDesk
        var asked = AskDesk(.off)
    }

    private let gate: Gate
    private let context: ServiceContext
    private let audience: Audience
    private let document: Documents
    private let actions: ActionDesk
    private let asked: AskDesk
    private let sessions = Mutex(Sessions())

    init(
        _ settings: Gate.Settings, _ context: ServiceContext, _ audience: Audience,
        _ desks: Desks, document: @escaping Documents
    ) {
        self.document = document
        (actions, asked) = (desks.actions, desks.asked)
        gate = Gate(settings: settings)
        self.context = context
        self.audience = audience
    }

    func answer(_ request: WebRequest) -> WebAnswer {
        let answer = answerAsAsked(request)
        guard gate.settings.isStrict, case .whole(var whole) = answer else { return answer }
        whole.headers.append(Self.strict)
        return .whole(whole)
    }

    private func answerAsAsked(_ request: WebRequest) -> WebAnswer {
        let now = context.clock.monotonic()
        lookAtTokens(at: now)
        let visitor = visitor(request, at: now)
        switch gate.decide(request, isKnown: visitor != nil) {
        case .refused(let status, let reason): return .whole(Self.text(reason, status: status))
        case .moved(let path):
            return .whole(Self.moved(to: path, status: 308))
        case .unknownPerson(let path):
            return .whole(answerUnknown(request, path, at: now))
        case .admitted(let path):
            guard request.method != "POST" else {
                return .whole(answerPost(request, path, visitor, at: now))
            }
            audience.note(at: now)
            if path == "/events" { return .events(Self.headers, isOpen: watch(request)) }
            if path == "/me.json" {
                let answer = ActionAnswers.person(
                    visitor, isOn: actions.isOn, stack: actions.stack, asks: asked.right)
                return .whole(Self.json(answer, request.headers["if-none-match"]))
            }
            if let answer = AskAnswers.look(
                path, request.parameters, visitor, at: asked, now: now)
            {
                return .whole(Self.json(answer, nil))
            }
            if let answer = document(path, request.parameters, now) {
                return .whole(Self.json(answer, request.headers["if-none-match"]))
            }
            return .whole(Self.file(path, request.headers["if-none-match"]))
        }
    }

    // MARK: people

    /// Returns who asks: by the cookie that somebody got for a token, or by the name that a proxy
    /// gives.
    private func visitor(_ request: WebRequest, at now: MonotonicTime) -> Sessions.Visitor? {
        if let name = gate.person(request) { return .person(name) }
        let ticket = ticket(request)
        return sessions.withLock { $0.visitor(ticket, at: now) }
    }

    private func ticket(_ request: WebRequest) -> Sessions.Ticket {
        Sessions.Ticket(
            ids: SignIn.ids(in: request.headers["cookie"], named: cookie(of: request)),
            key: request.headers[SignIn.keyHeader] ?? "")
    }

    private func cookie(of request: WebRequest) -> String {
        SignIn.cookie(byTLS: gate.comesByTLS(request), path: gate.settings.path)
    }

    /// Returns whether the person may still read: a stream ends with its session. It may be the
    /// only one that asks, so it has the tokens read, too.
    private func watch(_ request: WebRequest) -> @Sendable () -> Bool {
        { [weak self] in
            guard let self else { return false }
            let now = context.clock.monotonic()
            lookAtTokens(at: now)
            let visitor = visitor(request, at: now)
            return visitor != nil || gate.isFree
        }
    }

    private func answerPost(
        _ request: WebRequest, _ path: String, _ visitor: Sessions.Visitor?, at now: MonotonicTime
    ) -> OperationsResponse {
        switch path {
        case "/session": return open(request, at: now)
        case "/leave":
            let ticket = ticket(request)
            sessions.withLock { $0.close(ticket) }
            return Self.moved(to: "./actions", status: 303)
        case "/act":
            let origin = gate.origin(of: request)
            return Self.json(
                ActionAnswers.submit(
                    request.body, visitor, origin, to: actions, at: context.clock.now()), nil)
        case "/ask":
            let origin = gate.origin(of: request)
            return Self.json(
                AskAnswers.submit(request.body, visitor, origin, to: asked, at: now), nil)
        case "/unask": return Self.json(AskAnswers.leave(request.body, visitor, to: asked), nil)
        case _: return Self.text("nothing can be changed here", status: 405)
        }
    }

    private static func moved(to place: String, status: Int) -> OperationsResponse {
        var answer = text("it is at \(place)", status: status)
        // Relative, as a proxy may have the pages under a path that it does not pass on.
        answer.headers.append(WebHeader("Location", place))
        return answer
    }

    // MARK: the token

    /// Who has only a token that is none any more has to give another one.
    private func lookAtTokens(at now: MonotonicTime) {
        guard let look = gate.settings.files?.look(at: now) else { return }
        if let tokens = look.tokens {
            sessions.withLock { $0.keepOnly(tokens) }
            context.telemetry.emit(.tokensRead)
        }
        if let problem = look.problem { context.telemetry.emit(.tokensKept(problem: problem)) }
    }

    private func answerUnknown(
        _ request: WebRequest, _ path: String, at now: MonotonicTime
    ) -> OperationsResponse {
        if request.method == "POST", path == "/session" { return open(request, at: now) }
        // Style and picture of the page that asks for the token.
        if WebFiles.open.contains(path) { return Self.file(path, request.headers["if-none-match"]) }
        guard WebFiles.isPage(path), request.method != "POST" else {
            return Self.text("the token is needed: open the first page", status: 401)
        }
        return Self.page(TokenPage.text(), status: 401)
    }

    private func open(_ request: WebRequest, at now: MonotonicTime) -> OperationsResponse {
        let form = SignIn.form(request.body)
        var random = SystemRandomNumberGenerator()
        let id = Sessions.secret(from: &random)
        let outcome = sessions.withLock {
            $0.open(
                .init(
                    token: form["token"] ?? "", id: id, key: SignIn.key(in: form),
                    origin: gate.origin(of: request)),
                gate.tokens, at: now)
        }
        switch outcome {
        case .tooMany:
            var answer = Self.text("too many wrong tokens: wait a minute", status: 429)
            answer.headers.append(WebHeader("Retry-After", "60"))
            return answer
        case .full: return Self.text("too many people are signed in", status: 503)
        case .wrong:
            context.telemetry.emit(.tokenRefused(peer: request.peer))
            return Self.page(TokenPage.text("This is not the token."), status: 401)
        case .keyless: return Self.page(TokenPage.text(TokenPage.keyless), status: 400)
        case .opened(let visitor):
            var answer = Self.moved(to: visitor == .reader ? "./" : "./actions", status: 303)
            let secure = gate.comesByTLS(request) ? "; Secure" : ""
            answer.headers.append(
                WebHeader(
                    "Set-Cookie",
                    "\(cookie(of: request))=\(id); HttpOnly; SameSite=Strict; "
                        + "Path=\(gate.settings.path)/\(secure)"))
            return answer
        }
    }

    // MARK: answers

    /// A document that the page has already is not sent again.
    private static func json(_ page: PageAnswer, _ known: String?) -> OperationsResponse {
        let tag = WebFile.tag(of: page.json)
        var answer = OperationsResponse(
            status: page.status, contentType: "application/json", body: page.json,
            headers: dataHeaders + [
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
