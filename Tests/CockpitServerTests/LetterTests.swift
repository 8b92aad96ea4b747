import DeadLetters
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import Cockpit
@testable import CockpitTests

@Suite("Dead letters") struct LetterTests {
    private static func letter(
        _ ordinal: UInt64, reason: DeadLetter.Reason = .data, sink: String = "trades",
        constraint: String = "price_check", noted: Int64 = 0
    ) -> DeadLetter {
        DeadLetter(
            service: "store-writer", namespace: "md", owner: "store", sink: sink, reason: reason,
            refusal: .init(sqlState: "23514", message: "no\nprice", constraint: constraint),
            place: .init(
                input: "ticks", partition: Partition(3), source: .manual, epoch: 2,
                ordinal: ordinal, stream: "MD_TICKS_3", streamCreated: .undefined, sequence: 9),
            symbol: "AAPL", eventTime: .undefined,
            notedAt: Timestamp(nanoseconds: 1_700_000_000_000_000_000 + noted), payload: [1])
    }

    private static func message(_ sequence: UInt64, _ letter: DeadLetter?) -> LetterReader.Message {
        LetterReader.Message(sequence: sequence, payload: letter?.json ?? Array("{}".utf8))
    }

    private static func extent(_ first: UInt64, _ last: UInt64, _ messages: UInt64? = nil)
        -> LetterTally.Extent
    {
        .init(
            created: Timestamp(nanoseconds: 5), first: first, last: last,
            messages: messages ?? (last + 1 - first))
    }

    @Test("letters are counted once, by cause, and the newest of each are shown")
    func counted() {
        var tally = LetterTally()
        tally.follow(Self.extent(1, 12))
        #expect(tally.next == 1 && tally.news.unread == 12)
        for number in 1...8 as ClosedRange<UInt64> {
            tally.take(Self.message(number, Self.letter(number, noted: Int64(number))))
        }
        tally.take(Self.message(9, Self.letter(3)))
        tally.take(Self.message(10, nil))
        tally.take(Self.message(11, Self.letter(1, reason: .future, constraint: "")))
        let news = tally.news
        #expect(news.unread == 1 && news.unreadable == 1 && news.letters == 8)
        tally.take(Self.message(12, Self.letter(90, reason: .outOfRange, sink: "bars")))
        tally.finish()
        let all = tally.news
        #expect(all.unread == 0 && all.letters == 9 && !all.hasOlder)
        #expect(all.groups.map(\.letters) == [8, 1])
        #expect(all.groups.map(\.kind.cause) == ["23514 price_check", "23514 price_check"])
        #expect(all.groups[0].last.nanoseconds - all.groups[0].first.nanoseconds == 7)
        #expect(
            all.shown.map(\.id) == [8, 7, 6, 5, 4].map { "ticks/3/manual/\($0)/2" }
                + ["ticks/3/manual/90/2"])
    }

    @Test(
        "when letters were dropped, or the stream is another one, all are read again",
        arguments: [
            (extent(1, 4), false), (extent(1, 6), false), (extent(1, 4, 3), true),
            (extent(3, 6, 4), true), (extent(1, 3), true), (extent(5, 4, 0), true),
            (.init(created: .undefined, first: 1, last: 4, messages: 4), true),
            (.init(created: Timestamp(nanoseconds: 5), first: 1, last: .max, messages: 4), true),
        ])
    func dropped(now: LetterTally.Extent, isNew: Bool) {
        var tally = LetterTally()
        tally.follow(Self.extent(1, 4))
        for number in 1...4 as ClosedRange<UInt64> {
            tally.take(Self.message(number, Self.letter(number)))
        }
        tally.follow(now)
        #expect(tally.news.letters == (isNew ? 0 : 4))
        #expect(tally.extent == now)
    }

    @Test("of a long stream the newest are read, and of many causes the first are listed")
    func bounds() {
        var tally = LetterTally()
        tally.follow(Self.extent(1, 25_000))
        #expect(tally.next == 15_001 && tally.news.hasOlder && tally.news.unread == 10_000)
        for number in 0..<30 as Range<UInt64> {
            let letter = Self.letter(number, constraint: "c\(number)")
            tally.take(Self.message(15_001 + number, letter))
        }
        #expect(tally.news.groups.count == LetterTally.kindsMax)
        #expect(tally.news.ungrouped == 6 && tally.news.letters == 30)
        tally.follow(Self.extent(1, 34_999))
        #expect(tally.news.letters == 30)
        // What is remembered has a bound: the window begins anew.
        tally.follow(Self.extent(1, 35_001))
        #expect(tally.news.letters == 0 && tally.next == 25_002)
        // A server may name any number: nothing comes after the last one.
        tally.follow(.init(created: Timestamp(nanoseconds: 5), first: 1, last: .max, messages: 1))
        tally.take(Self.message(.max, nil))
        #expect(tally.news.unread == 0)
    }

    @Test("a command is of plain words, and only for what a replay may store")
    func commands() {
        func command(_ letter: DeadLetter) -> String? { ReplayCommand.of(.init(letter)) }
        #expect(
            command(Self.letter(1)) == "tapeline dlq replay --reason data --sink trades")
        #expect(
            command(Self.letter(1, reason: .outOfRange, sink: "late_ticks"))
                == "tapeline dlq replay --reason out_of_range --sink late_ticks")
        for reason in [DeadLetter.Reason.undecodable, .future] {
            #expect(command(Self.letter(1, reason: reason)) == nil)
        }
        for sink in ["", "a;reboot", "$(x)", "a b", "--all", "a\nb", "ä"] {
            #expect(command(Self.letter(1, sink: sink)) == nil, "\(sink)")
        }
    }

    private static func claim(_ letter: DeadLetter) -> LetterClaim { LetterClaim(letter) }

    @Test("outlooks are of the letters that are shown, and the oldest is the next")
    func outlooks() {
        let letters = (1...3).map { Self.letter(UInt64($0)) }
        var news = LetterNews()
        news.shown = letters.map { .init($0, .init($0)) }
        var outlooks = ReplayOutlooks()
        for (index, claim) in outlooks.due(news).enumerated() where index < 2 {
            outlooks.note(.tried, of: claim, at: MadeSighting.time(Double(2 - index)))
        }
        #expect(
            outlooks.due(news).map(\.messageID)
                == [letters[2], letters[1], letters[0]].map(\.messageID))
        news.shown.removeFirst()
        _ = outlooks.due(news)
        #expect(Array(outlooks.entries.keys) == [letters[1].messageID])
    }

    @Test("the document has a time at every part, the words of the tool, and no line breaks")
    func document() throws {
        let letter = Self.letter(7)
        var tally = LetterTally()
        tally.follow(Self.extent(1, 2))
        tally.take(Self.message(1, letter))
        var outlooks = ReplayOutlooks()
        outlooks.note(.certain(.retired), of: Self.claim(letter), at: MadeSighting.time(8))
        let document = LettersDocument(
            letters: MadeSighting.known(tally.news, at: 9),
            replays: MadeSighting.known(outlooks, at: 9.5), now: MadeSighting.time(10))
        let json = try JSONValue.parse(document.json)
        #expect(json.at("letters", "at")?.double == 1_009)
        #expect(json.at("letters", "count")?.int == 1 && json.at("letters", "unread")?.int == 1)
        #expect(json.at("replays", "at")?.double == 1_009.5)
        #expect(json["all"]?.string == "tapeline dlq replay --all")
        let group = try #require(json["groups"]?.array?.first)
        #expect(group["reason"]?.string == "data" && group["cause"]?.string == "23514 price_check")
        #expect(group["first"]?.string?.hasPrefix("2023-11-14T22:13:20") == true)
        let item = try #require(json["items"]?.array?.first)
        #expect(item["id"]?.string == "ticks/3/manual/7/2" && item["at"]?.double == 1_008)
        #expect(item["message"]?.string == "no; price" && item["word"]?.string == "retired")
        #expect(item["sentence"]?.string == LetterFate.retired.sentence)
        var named = document
        named.stack = "tws"
        let commands = try JSONValue.parse(named.json)
        #expect(commands["all"]?.string == "tapeline dlq replay --all --name tws")
        #expect(
            commands["groups"]?.array?.first?["command"]?.string?.hasSuffix(" --name tws") == true)
        // Nothing is known before the first answers.
        let none = LettersDocument(
            letters: Known(problem: "away"), replays: Known(), now: MadeSighting.time(10))
        let empty = try JSONValue.parse(none.json)
        #expect(empty.at("letters", "at") == nil)
        #expect(empty.at("letters", "absence")?.string == "away")
        #expect(empty.at("replays", "absence")?.string == "not asked yet")
    }

    @Test("the stream is read in pieces, from where the last one ended, until letters are dropped")
    func reading() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "md", streams: false)
        let (names, jetStream) = (tape.names, tape.client.jetStream)
        let (reading, clock) = (LetterReading(), SystemClock())
        let reader = LetterReader(tape.client)
        // Without a stream nothing was ever refused.
        #expect(try reading.ask(reader, clock) == LetterNews())
        _ = try jetStream.createStream(
            names.deadLetterStreamConfiguration(bytesMax: 4 << 20))
        func publish(_ payload: [UInt8], _ id: String) throws {
            let (outcomes, failure) = jetStream.publish(
                [IdentifiedMessage(payload: payload, id: id)],
                to: names.deadLetters(of: "store"))
            #expect(failure == nil && outcomes.count == 1)
        }
        for number in 1...3 as ClosedRange<UInt64> {
            let letter = Self.letter(number)
            try publish(letter.json, letter.messageID)
        }
        try publish(Array("{}".utf8), "none")
        // However slow the server is, each question reads on.
        func read() throws -> LetterNews {
            var news = LetterNews()
            #expect(
                try eventually {
                    news = try reading.ask(reader, clock)
                    return news.unread == 0
                })
            return news
        }
        let news = try read()
        #expect(news.letters == 3 && news.unreadable == 1 && news.groups.map(\.letters) == [3])
        let more = Self.letter(4)
        try publish(more.json, more.messageID)
        #expect(try read().letters == 4)
        _ = try jetStream.deleteMessage(stream: names.deadLetterStream, sequence: 2)
        #expect(try read().letters == 3)
    }
}
