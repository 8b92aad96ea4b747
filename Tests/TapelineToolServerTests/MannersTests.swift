import Primitives
import TestSupport
import Testing

@testable import TapelineTool

@Suite("Completions, times and zones") struct MannersTests {
    @Test("bash completes every command, its forms and its options")
    func bash() throws {
        let folder = try TemporaryFolder("completions")
        let script = try folder.write(Completions.script(.bash), to: "script")
        /// Returns what bash offers at the end of the words.
        func offered(_ words: [String]) throws -> Set<Substring> {
            let list = words.map { "'\($0)'" }.joined(separator: " ")
            let answer = try run(
                "/bin/bash",
                [
                    "-c",
                    ". \(script); COMP_WORDS=(\(list)); COMP_CWORD=\(words.count - 1); "
                        + "_tapeline; printf '%s\\n' \"${COMPREPLY[@]}\"",
                ])
            return Set(answer.split(separator: "\n"))
        }
        #expect(try offered(["tapeline", ""]) == Set(Commands.pages.map { Substring($0.word) }))
        #expect(try offered(["tapeline", "do"]) == ["doctor", "down"])
        #expect(try offered(["tapeline", "bars", "AAPL", "--ch"]) == ["--chart"])
        #expect(try offered(["tapeline", "source", "re"]) == ["retire", "resume"])
        let complete = try run("/bin/bash", ["-c", ". \(script); complete -p tapeline"])
        #expect(complete == "complete -o default -F _tapeline tapeline")
        for topic in Commands.pages where !Completions.words(of: topic).isEmpty {
            #expect(
                try offered(["tapeline", topic.word, ""])
                    == Set(Completions.words(of: topic).map { Substring($0) }), "\(topic.word)")
        }
    }

    @Test("what a page names is offered, in every shell")
    func complete() throws {
        for topic in Commands.pages {
            for word in [topic.word] + Completions.words(of: topic) {
                let name = word.drop { $0 == "-" }
                for shell in Completions.Shell.allCases {
                    let found = Completions.script(shell).contains(name)
                    #expect(found, "\(shell): \(topic.word) \(word)")
                }
            }
        }
        let doctor = try #require(Commands.pages.first { $0.word == "doctor" })
        #expect(
            doctor.optionNames == [
                "--feed", "--service", "--prometheus", "--json", "--name", "--nats", "--home",
            ])
        #expect(try CompletionsCommand.parse(["fish"]) == CompletionsCommand(shell: .fish))
    }

    private static let now = "2026-07-01T02:30:00Z"

    @Test(
        "times in a zone become times of UTC; others stay as they are",
        arguments: [
            ("today", "2026-06-30T04:00:00Z"), ("yesterday", "2026-06-29T04:00:00Z"),
            ("09:30", "2026-06-30T13:30:00Z"), ("09:30:15", "2026-06-30T13:30:15Z"),
            ("2026-01-15", "2026-01-15T05:00:00Z"), ("2026-01-15T09:30", "2026-01-15T14:30:00Z"),
            ("2026-01-15 09:30", "2026-01-15T14:30:00Z"),
            // The clocks go forward over this time, and back over that one: the earlier one counts.
            ("2026-03-08T02:30", "2026-03-08T07:30:00Z"),
            ("2026-11-01T01:30", "2026-11-01T05:30:00Z"),
            ("-10m", "-10m"), ("now", "now"), ("2026-01-15T09:30:00Z", "2026-01-15T09:30:00Z"),
            ("seq:5", "seq:5"), ("24:00", "24:00"), ("9:30", "9:30"),
            ("99999-01-01", "99999-01-01"), ("9999-01-01", "9999-01-01"),
            ("0001-01-01", "0001-01-01"),
        ])
    func zones(text: String, wanted: String) throws {
        let now = try #require(ISOTime.parse(Self.now))
        let words = try TimeWords(named: "America/New_York", now: now)
        #expect(words.utc(text) ?? text == wanted)
    }

    @Test("a zone for any command with times; a wrong one is refused") func arguments() throws {
        let now = try #require(ISOTime.parse(Self.now))
        let export = try ExportCommand.parse(
            ["bars", "--zone", "Asia/Tokyo", "--from", "09:00", "--to=2026-07-01T11:00"], now: now)
        #expect(export.from == ISOTime.parse("2026-07-01T00:00:00Z"))
        #expect(export.to == ISOTime.parse("2026-07-01T02:00:00Z"))
        #expect(
            try TailPlace.time("01:15", "--from", now: now) == ISOTime.parse("2026-07-01T01:15:00Z")
        )
        let bars = try newestBars(
            ["AAPL", "1m", "--as-of", "10:31", "--zone=America/New_York"], now: now)
        #expect(bars.asOf == ISOTime.parse("2026-06-30T14:31:00Z"))
        // The time is a word; the value of an option is none, even if it looks like a time.
        for words in [
            ["AAPL", "1m", "--json", "10:31"], ["--name", "today", "AAPL", "1m", "10:31"],
        ] {
            let explain = try ExplainCommand.parse(
                ["--zone", "America/New_York"] + words, now: now)
            #expect(explain.time == ISOTime.parse("2026-06-30T14:31:00Z"))
            #expect(explain.target.stack == (words.contains("today") ? "today" : nil))
        }
        for wrong in [
            ["tail", "--zone"], ["tail", "--zone", "--from"], ["tail", "--zone", "New_York"],
            ["tail", "--zone", "../../etc/passwd"], ["tail", "--zone", "/etc/localtime"],
            ["tail", "--zone", "America"], ["tail", "--zone", "Asia/Tokyo"],
            ["audit", "--zone", "Asia/Tokyo", "--day", "today"],
        ] {
            #expect(throws: ToolError.self, "\(wrong)") { try Commands.parse(wrong, now: now) }
        }
        #expect(try PsqlCommand.parse(["--", "--zone", "x"]).arguments == ["--zone", "x"])
        let ago = try ExplainCommand.parse(["AAPL", "1m", "-10m"], now: now)
        #expect(ago.time == now.advanced(byNanoseconds: -600_000_000_000))
    }
}
