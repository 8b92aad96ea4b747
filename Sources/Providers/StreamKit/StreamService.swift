package import EngineKit
package import Primitives
package import ServiceRuntime
package import WebSocketClient

/// The provider of a service whose engine is a `StreamVenue`: its addresses, its key and its words.
package protocol StreamService: ProviderService
where
    Wait.Engine: StreamVenue, Wait.Step == WebSocketStep,
    Requests.Request == StreamFetch
{
    static var words: StreamWords { get }
    /// What authenticates a connection. Each time it is what the files of the keys have.
    var authentication: String { get }

    /// Returns where the connection of a link goes to.
    func address(of link: Int) -> WebSocketURL
}

extension StreamCounts {
    /// Writes how many records were handed over to the gateway, for `/status`.
    package func writeRecords(into json: inout JSONWriter) {
        json.member("trades", Int(clamping: trades))
        json.member("quotes", Int(clamping: quotes))
        json.member("bars", Int(clamping: bars))
    }
}

/// What the log says of a service in its own words.
package struct StreamWords: Sendable {
    /// The service's name.
    let title: String
    /// The names of the events.
    let events: (state: String, trouble: String, skipped: String)
    /// That of a gap whose trades were asked for.
    let gapEnded: String
    /// What does not come without the connection of each link.
    let links: [String]
    /// What may be refused beside the key, and the settings to check then.
    let account: (plan: String, settings: String)

    package init(
        _ title: String, events: (state: String, trouble: String, skipped: String),
        gapEnded: String = "", links: [String],
        account: (plan: String, settings: String) = ("", "")
    ) {
        self.title = title
        self.events = events
        self.gapEnded = gapEnded
        self.links = links
        self.account = account
    }

    func text(of state: StreamState) -> String {
        switch state {
        case .closed: "not connected to \(title)"
        case .connecting: "connecting to \(title)"
        case .ready: "connected to \(title)"
        case .refused: "\(title) refuses the account"
        case .occupied: "another session of the account is connected to \(title), or was cut off"
        case .renewing: "a second connection begins beside the present one"
        }
    }
}

extension StreamService {
    package func step(_ wish: StreamWish) -> ProviderStep<WebSocketStep, StreamFetch> {
        switch wish {
        case .open(let number, let link): .link(.open(number, address(of: link)))
        case .authenticate(let number): .link(.send(number, authentication))
        case .send(let number, let text): .link(.send(number, text))
        case .close(let number): .link(.close(number))
        case .fetch(let fetch): .ask(fetch.number, fetch)
        }
    }

    package func report(_ note: StreamNote, to report: ProviderReport<Self>) {
        let words = Self.words
        switch note {
        case .state(let state, let reason):
            report.telemetry.emit(
                ServiceEvent(
                    .info, words.events.state, words.text(of: state),
                    ("state", .text(state.rawValue)), ("reason", .text(reason))))
        case .lost(let link, let failures, let reason, let isAlone):
            let what =
                isAlone
                ? "no \(words.links[link]), tried again by itself"
                : "one of two connections is lost, the other goes on"
            report.trouble("\(what): \(reason)", failures: failures)
        case .refusedAccount(let reason):
            report.showSoon()
            report.trouble(
                "the key or the \(words.account.plan) is not taken, tried again each minute: "
                    + "\(reason); check \(words.account.settings)")
        case .refusedRequest(let reason): report.trouble("a request is refused: \(reason)")
        case .refused(let instrument, let reason):
            report.showSoon()
            report.trouble("\(report.symbol(instrument)): \(reason)")
        case .filled(let instrument, let added, let lost):
            let symbol = report.symbol(instrument)
            report.telemetry.emit(
                ServiceEvent(
                    lost == 0 ? .info : .warning, words.gapEnded,
                    "\(symbol): \(added) missing trades came on request"
                        + (lost == 0 ? "" : ", and \(lost) stay missing"),
                    ("symbol", .text(symbol)), ("added", LogValue(added)),
                    ("lost", LogValue(lost))))
        case .trouble(let instrument, let text):
            report.trouble(instrument.map { "\(report.symbol($0)): \(text)" } ?? text)
        case .skipped(let reason):
            report.skipped(words.events.skipped, by: words.title, reason.rawValue)
        }
    }

    package func trouble(_ message: String, failures: Int) -> ServiceEvent {
        .providerTrouble(Self.words.events.trouble, message, failures: failures)
    }
}
