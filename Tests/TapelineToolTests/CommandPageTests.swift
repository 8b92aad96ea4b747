import Primitives
import Testing

@testable import TapelineTool

@Suite("A command's page: what it names is taken, and nothing else")
struct CommandPageTests {
    private static let page = CommandPage(
        "box", .tool, "an example", on: .nowhere, also: [.json.of("list"), .zone],
        """
        box
            what is in it
        box list [SYMBOL...]
        box put|take SYMBOL --note TEXT
            change it
        box --old [SYMBOL...] [--from TIME]
        -q, --quiet
            say less
        --size N
            put: so many
        --rate N
            box: so fast
        $ tapeline box list \\
            --json
        """)

    private func given(_ arguments: [String]) throws(ToolError) -> CommandArguments {
        try CommandArguments(Self.page, arguments, now: Timestamp(nanoseconds: 0))
    }

    @Test("verbs, words, options and examples follow from the text")
    func text() throws {
        #expect(Self.page.verbs == ["list", "put", "take", "--old"])
        #expect(
            Self.page.optionNames == [
                "--old", "--note", "--from", "-q", "--quiet", "--size", "--rate", "--json",
                "--zone",
            ])
        #expect(Self.page.timeOptions == ["--from"])
        #expect(Self.page.forms.map(\.count) == [0...0, 0...Int.max, 1...1, 0...Int.max])
        #expect(Self.page.examples == ["tapeline box list \\", "    --json"])
        #expect(Self.page.text.contains("  --size N          put: so many\n"))
        #expect(!Self.page.text.contains("  --note TEXT  "))
        #expect(Completions.words(of: Self.page).count == 12)
    }

    @Test("arguments are sorted by the page, in any order")
    func sorted() throws {
        let put = try given(["--note", "n", "put", "-10m", "--size=2", "--quiet"])
        #expect(put.verb == "put" && put.words == ["-10m"] && put.command == "box put")
        #expect(put.options.map(\.name) == ["--note", "--size", "--quiet"])
        #expect(try put.integer("--size", in: 1...9) == 2 && put.has("--quiet"))
        #expect(try given(["--old", "A", "B"]).verb == "--old")
        #expect(try given(["list", "--", "--json"]).words == ["--json"])
        #expect(try given(["--rate", "4"]).verb.isEmpty)
    }

    @Test(
        "what the page does not name is refused with what was meant",
        arguments: [
            (["lst"], "'tapeline box' does not take 'lst': did you mean list?"),
            (["put"], "'tapeline box put' wants SYMBOL"),
            (["put", "A", "B"], "'tapeline box put' does not take 'B'"),
            (["take", "A", "--size", "1"], "'--size' is for 'tapeline box put'"),
            (["put", "A", "--rate", "1"], "'--rate' is for 'tapeline box'"),
            (["put", "A", "--json"], "'--json' is for 'tapeline box list'"),
            (
                ["put", "A", "--siz", "1"],
                "'tapeline box put' does not take '--siz': did you mean --size?"
            ),
            (
                ["--old", "--since", "-1h"],
                "'tapeline box' does not take '--since': did you mean --from?"
            ),
            (["--stack", "x"], "'tapeline box' does not take '--stack'"),
            (["--quiet=1"], "--quiet takes no value"),
            (["--rate", "--json"], "--rate wants a value"),
            (
                ["list", "--zone", "Asia/Tokyo"],
                "--zone says how the times of --from are meant: give one of them"
            ),
        ])
    func refused(arguments: [String], problem: String) {
        #expect(complaint { try given(arguments) }.hasPrefix(problem))
    }

    @Test("who wants the bars of a time hears which command has them")
    func instead() {
        for option in ["--from", "--to"] {
            let told = complaint {
                try CommandArguments(
                    BarsCommand.page, ["AAPL", "1m", option, "-1h"], now: Timestamp(nanoseconds: 0))
            }
            #expect(
                told == "'\(option)' is for 'tapeline bars --rewritten'; the newest bars are "
                    + "--last N, and those of a time 'tapeline export bars SYMBOL --series SERIES "
                    + "--from TIME --to TIME'")
        }
    }

    @Test("every command has a page of its own that fits a terminal, and a group")
    func pages() {
        let words = Commands.all.map { $0.page.word }
        #expect(Set(words).count == words.count)
        #expect(Commands.all.filter { $0.page.group == nil }.map { $0.page.word } == ["supervise"])
        for page in Commands.pages {
            #expect(page.forms.allSatisfy { $0.usage.hasPrefix(page.word) }, "\(page.word)")
            #expect(page.forms.last?.meaning.isEmpty == false, "\(page.word)")
            let lines = page.text.split(separator: "\n") + [page.line[...]]
            #expect(lines.allSatisfy { $0.count <= 100 }, "\(page.word)")
            #expect(HelpPage.text.contains("\n\(page.line)\n"), "\(page.word)")
        }
    }

    @Test("who records symbols is told that their partitions come whole")
    func recordedSymbols() throws {
        func remark(_ words: String...) throws -> String? {
            try RecordCommand.parse(["-o", "x.tape"] + words).remark
        }
        #expect(try remark() == nil)
        let all = "it has all that is in the partitions of AAPL, SPY"
        #expect(try remark("AAPL", "SPY")?.hasPrefix(all) == true)
    }

    @Test("what is offered is taken")
    func taken() {
        for page in Commands.pages {
            for option in page.optionNames {
                // The value is missing, or a word is; but the option is known.
                do {
                    _ = try Commands.parse([page.word, option])
                } catch {
                    #expect(!"\(error)".contains("does not take"), "\(page.word) \(option)")
                }
            }
        }
    }
}
