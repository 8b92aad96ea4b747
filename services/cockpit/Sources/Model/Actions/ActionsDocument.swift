import Primitives
import TapeProtocol

/// Actions for the page that shows them. Every part has its time, as in `LookDocument`.
struct ActionsDocument {
    /// Whether actions are switched on.
    let isOn: Bool
    /// How many messages the process has not taken that carries them out.
    let carrier: Known<UInt64>
    /// Those that were sent from here, the newest last.
    let sent: [ActionDesk.Sent]
    let history: Known<ActionHistory>
    let now: MonotonicTime
    /// The local stack that commands name; empty: none.
    var stack = ""

    var json: [UInt8] {
        JSONWriter.made(capacity: 16_384) { writer in
            writer.member("at", seconds: now)
            writer.member("on", isOn)
            writer.object("carrier") { writer in
                writer.state(of: carrier, at: now)
                if let count = carrier.value { writer.member("not_taken", count) }
            }
            writer.array("sent") { for each in sent.reversed() { write(each, &$0) } }
            writer.object("history") { $0.state(of: history, at: now) }
            writer.array("items") { writer in
                for each in history.value?.actions ?? [] { write(each, &writer) }
            }
        }.bytes
    }

    private func write(_ sent: ActionDesk.Sent, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("number", String(sent.request.number))
            writer.member("time", sent.time.description)
            writer.member("person", sent.request.person)
            writer.member("command", sent.request.command)
            writer.member("reason", sent.request.reason)
            writer.member("stage", sent.answer.map { "\($0.stage)" } ?? "asked")
            writer.array("lines") { writer in
                let text = sent.answer?.outcome ?? ""
                for line in text.split(separator: "\n") {
                    writer.value(TapeCommand.named(OverviewMaker.line(String(line)), in: stack))
                }
            }
        }
    }

    private func write(_ action: ActionHistory.Action, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("number", action.number)
            writer.member("time", action.time.description)
            writer.member("person", OverviewMaker.line(action.person))
            writer.member("origin", OverviewMaker.line(action.origin))
            writer.member("command", OverviewMaker.line(action.command))
            writer.member("reason", OverviewMaker.line(action.reason))
            writer.member("stage", action.stage)
            writer.member("outcome", OverviewMaker.line(action.outcome))
        }
    }
}
