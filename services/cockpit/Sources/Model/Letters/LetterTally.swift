import DeadLetters
import Primitives
import TapeTransport

/// The dead letters of the stream, as far as they are read. They are read in pieces, because a
/// stream may have many, and again from the beginning when some were dropped. Pure.
struct LetterTally: Sendable {
    /// The most messages that are counted, the newest ones. Older ones are said to be left out.
    static let messagesMax: UInt64 = 10_000
    /// The most kinds. Letters of further ones are counted without their kind.
    static let kindsMax = 24
    /// The most letters of each kind that are shown, the newest ones.
    static let shownMax = 5

    /// What the server says of the stream.
    struct Extent: Equatable, Sendable {
        var created = Timestamp.undefined
        /// The sequence of the first message, and of the last one.
        var first: UInt64 = 1
        var last: UInt64 = 0
        var messages: UInt64 = 0
    }

    /// A letter without its payload.
    struct Shown: Equatable, Sendable {
        let id: String
        let notedAt: Timestamp
        let kind: LetterGroup.Kind
        let symbol: String
        let message: String
        let claim: LetterClaim

        init(_ letter: DeadLetter, _ kind: LetterGroup.Kind) {
            id = letter.id
            notedAt = letter.notedAt
            self.kind = kind
            symbol = letter.symbol
            message = letter.refusal.message
            claim = LetterClaim(letter)
        }
    }

    private(set) var extent = Extent()
    /// The next sequence to read.
    private(set) var next: UInt64 = 1
    /// Where the reading began.
    private var begin: UInt64 = 1
    private var groups = LetterGroups(kindsMax: kindsMax)
    private var seen: Set<String> = []
    private var newest: [LetterGroup.Kind: [Shown]] = [:]
    private var unreadable: UInt64 = 0

    /// Takes what the server says of the stream. What is known of letters is forgotten if some of
    /// them are not there any more.
    mutating func follow(_ now: Extent) {
        let isGrown = now.created == extent.created && now.last >= extent.last
        let (least, overflow) = extent.messages.addingReportingOverflow(
            now.last &- extent.last)
        let isWhole = isGrown && !overflow && now.messages >= least
        // The window moves on only now and then, as its beginning is not counted down.
        let isNarrow = now.last &- begin < 2 * Self.messagesMax
        if !isWhole || !isNarrow || extent.messages == 0 { restart(now) }
        extent = now
    }

    private mutating func restart(_ now: Extent) {
        self = LetterTally()
        begin = max(now.first, now.last >= Self.messagesMax ? now.last - Self.messagesMax + 1 : 1)
        next = begin
    }

    /// Takes the next message of the stream.
    mutating func take(_ message: LetterReader.Message) {
        next = message.sequence &+ 1
        switch message.letter {
        case .failure: unreadable += 1
        case .success(let letter): take(letter)
        }
    }

    /// After an outage a letter may be there twice.
    private mutating func take(_ letter: DeadLetter) {
        guard seen.insert(letter.messageID).inserted, let kind = groups.add(letter) else { return }
        newest[kind, default: []].append(Shown(letter, kind))
        if newest[kind, default: []].count > Self.shownMax { newest[kind]?.removeFirst() }
    }

    /// Notes that no message is left.
    mutating func finish() { next = extent.last &+ 1 }

    var news: LetterNews {
        let groups = groups.sorted
        return LetterNews(
            groups: groups, ungrouped: self.groups.ungrouped,
            shown: groups.flatMap { (newest[$0.kind] ?? []).reversed() },
            letters: seen.count, unreadable: unreadable,
            // After the last possible sequence, `next` is 0 and so is this.
            unread: extent.last >= next ? extent.last &- next &+ 1 : 0,
            hasOlder: extent.messages > 0 && begin > extent.first)
    }
}

/// What is known of the dead letters.
struct LetterNews: Equatable, Sendable {
    var groups: [LetterGroup] = []
    /// Letters of more kinds than are told apart.
    var ungrouped = 0
    /// The newest of each group, in the order of the groups.
    var shown: [LetterTally.Shown] = []
    var letters = 0
    /// Messages that are no letters.
    var unreadable: UInt64 = 0
    /// Sequences that are not read yet.
    var unread: UInt64 = 0
    /// Whether messages are so old that they are not counted.
    var hasOlder = false
}

/// What a replay would do with the letters that are shown, each with the time at which it was
/// found. Pure.
struct ReplayOutlooks: Equatable, Sendable {
    struct Entry: Equatable, Sendable {
        let outlook: LetterReview.Outlook
        let at: MonotonicTime
    }

    /// By the ids of the letters' messages.
    private(set) var entries: [String: Entry] = [:]

    /// Forgets letters that are not shown any more. Returns the others, those first whose outlook
    /// is the oldest.
    mutating func due(_ news: LetterNews) -> [LetterClaim] {
        let claims = news.shown.map(\.claim)
        let wanted = Set(claims.map(\.messageID))
        entries = entries.filter { wanted.contains($0.key) }
        func age(_ claim: LetterClaim) -> MonotonicTime {
            entries[claim.messageID]?.at ?? .distantPast
        }
        return claims.sorted { age($0) < age($1) }
    }

    mutating func note(_ outlook: LetterReview.Outlook, of claim: LetterClaim, at: MonotonicTime) {
        entries[claim.messageID] = Entry(outlook: outlook, at: at)
    }
}
