import DeadLetters
import Primitives
import TapeTransport

/// Dead letters for the page that shows them. Every part has its time, as in `LookDocument`.
struct LettersDocument {
    let letters: Known<LetterNews>
    let replays: Known<ReplayOutlooks>
    let now: MonotonicTime
    /// The local stack that commands name; empty: none.
    var stack = ""

    var json: [UInt8] {
        let news = letters.value ?? LetterNews()
        return JSONWriter.made(capacity: 16_384) { writer in
            writer.member("at", seconds: now)
            writer.object("letters") { write(letters, news, &$0) }
            writer.object("replays") { $0.state(of: replays, at: now) }
            writer.member("all", ReplayCommand.all(in: stack))
            writer.member("dry", ReplayCommand.dry)
            writer.array("groups") { for each in news.groups { write(each, news, &$0) } }
            writer.array("items") { for each in news.shown { write(each, &$0) } }
        }.bytes
    }

    private func write(
        _ known: Known<LetterNews>, _ news: LetterNews, _ writer: inout JSONWriter
    ) {
        writer.state(of: known, at: now)
        writer.member("count", news.letters)
        writer.member("ungrouped", news.ungrouped)
        writer.member("unreadable", news.unreadable)
        writer.member("unread", news.unread)
        writer.member("older", news.hasOlder)
    }

    private func write(_ group: LetterGroup, _ news: LetterNews, _ writer: inout JSONWriter) {
        writer.object { writer in
            write(group.kind, &writer)
            writer.member("letters", group.letters)
            writer.member("ticks", group.ticks)
            writer.member("first", group.first.description)
            writer.member("last", group.last.description)
            if let command = ReplayCommand.of(group.kind, in: stack) {
                writer.member("command", command)
            }
        }
    }

    private func write(_ kind: LetterGroup.Kind, _ writer: inout JSONWriter) {
        writer.member("reason", kind.reason.rawValue)
        writer.member("sink", LetterWords.named(OverviewMaker.line(kind.sink)))
        writer.member("cause", LetterWords.named(OverviewMaker.line(kind.cause)))
    }

    private func write(_ letter: LetterTally.Shown, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", OverviewMaker.line(letter.id))
            writer.member("noted", letter.notedAt.description)
            write(letter.kind, &writer)
            writer.member("symbol", LetterWords.named(OverviewMaker.line(letter.symbol)))
            writer.member("message", OverviewMaker.line(letter.message))
            guard let entry = replays.value?.entries[letter.claim.messageID] else { return }
            writer.member("at", seconds: entry.at)
            writer.member("word", entry.outlook.word)
            writer.member("sentence", OverviewMaker.line(entry.outlook.sentence))
        }
    }
}
