import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

/// Returns the source that `up` with these settings asks for.
func stackSource(_ settings: [String], isSimulated: Bool = false) throws -> StackSource {
    StackSource(try testSettings(settings), isSimulated: isSimulated)
}

@Suite("The sources of a stack")
struct StackSourcesTests {
    @Test(
        "a source is called like its first provider, unless somebody names it",
        arguments: [
            ([], false, "synthetic"), ([], true, "ibkr (simulated)"),
            (["GATEWAY_PROVIDER=ibkr", "IBKR_HOST=tws.example"], false, "ibkr"),
            (["GATEWAY_PROVIDER=ibkr,replay"], false, "ibkr (provider ibkr,replay)"),
            (["GATEWAY_SOURCE=main"], true, "main (provider ibkr, simulated)"),
        ] as [([String], Bool, String)])
    func titles(_ settings: [String], _ isSimulated: Bool, _ title: String) throws {
        #expect(try stackSource(settings, isSimulated: isSimulated).title == title)
    }

    /// What is in the stack, what is asked for, and whether it is refused without `--add-source`,
    /// and with it.
    private static let cases:
        [(present: [[String]], wanted: [String], isRefused: Bool, isNeverAdded: Bool)] = [
            ([], [], false, false),
            ([["SYNTHETIC_RATE=5"]], ["SYNTHETIC_RATE=6", "OPERATOR_SERIES=1s"], false, false),
            ([[]], ["GATEWAY_PROVIDER=ibkr"], true, false),
            ([[]], ["simulated"], true, false),
            // The same name does not make ticks real.
            ([["GATEWAY_PROVIDER=ibkr"]], ["simulated"], true, true),
            ([["simulated"]], ["GATEWAY_PROVIDER=ibkr"], true, true),
            ([["GATEWAY_PROVIDER=ibkr"]], [], true, false),
            ([["GATEWAY_PROVIDER=ibkr"]], ["GATEWAY_SOURCE=ibkr"], true, true),
            (
                [["GATEWAY_PROVIDER=ibkr"]], ["GATEWAY_PROVIDER=ibkr", "GATEWAY_SOURCE=b"], true,
                false
            ),
            ([["GATEWAY_PROVIDER=ibkr"]], ["GATEWAY_PROVIDER=ibkr,synthetic"], true, true),
            ([[], ["simulated"]], ["simulated", "SIMULATOR_RATE=5"], false, false),
            // Another namespace has its own tape and tables.
            ([["GATEWAY_PROVIDER=ibkr"]], ["MDS_NAMESPACE=play"], false, false),
        ]

    private func source(_ words: [String]) throws -> StackSource {
        try stackSource(
            words.filter { $0 != "simulated" }, isSimulated: words.contains("simulated"))
    }

    @Test("only the sources that are there are taken, or one that is added")
    func rules() throws {
        let folder = try TemporaryFolder()
        let home = try madeHome(folder)
        for (present, wanted, isRefused, isNeverAdded) in Self.cases {
            let before = StackSources(try present.map { try source($0) })
            let new = try source(wanted)
            for adds in [false, true] {
                var after = before
                let shouldFail = adds ? isNeverAdded : isRefused
                do throws(ToolError) {
                    try after.take(new, adding: adds, to: home)
                    #expect(!shouldFail, "\(present) \(wanted) \(adds)")
                    #expect(after.all.filter { $0.hasSameTicks(as: new) } == [new])
                    let isKnown = before.all.contains { $0.hasSameTicks(as: new) }
                    #expect(after.all.count == before.all.count + (isKnown ? 0 : 1))
                } catch {
                    #expect(shouldFail, "\(present) \(wanted) \(adds): \(error)")
                    #expect(after == before && error.exitCode == .usage)
                    #expect(error.description.contains("--name"), "\(error)")
                    #expect(error.description.contains("--add-source"), "\(error)")
                }
            }
        }
    }

    @Test("a refusal says how to go on with what the stack has")
    func words() throws {
        let folder = try TemporaryFolder()
        var sources = StackSources([
            try stackSource(["GATEWAY_PROVIDER=ibkr", "IBKR_HOST=tws.example"]),
            try stackSource(["GATEWAY_SOURCE=play"], isSimulated: true),
        ])
        #expect(
            complaint { try sources.take(stackSource([]), adding: false, to: madeHome(folder)) }
                == """
                the stack default has ticks of ibkr and play (provider ibkr, simulated), not of \
                synthetic: nothing was changed. Go on with 'tapeline up --set \
                GATEWAY_PROVIDER=ibkr --set IBKR_HOST=tws.example' or 'tapeline up --simulator \
                --set GATEWAY_SOURCE=play'; use another stack (--name NAME), or add the source \
                beside it (--add-source)
                """)
    }

    @Test("without a word of a source, a stack goes on with the ticks that it has")
    func goesOn() throws {
        let tws = try stackSource(["GATEWAY_PROVIDER=ibkr", "IBKR_HOST=tws.example"])
        let sources = StackSources([tws, try stackSource(["GATEWAY_SOURCE=b"], isSimulated: true)])
        #expect(sources.meant(by: try testSettings(["LOG_LEVEL=debug"])) == tws)
        #expect(sources.resumed(by: try testSettings([]), isSimulated: false) == tws)
        #expect(
            sources.resumed(by: try testSettings(["GATEWAY_PROVIDER=ibkr"]), isSimulated: false)
                == tws)
        let made = StackSources([try stackSource(["SYNTHETIC_RATE=7"])])
        #expect(made.resumed(by: try testSettings([]), isSimulated: false) == made.all.first)
        #expect(made.resumed(by: try testSettings([]), isSimulated: true) == nil)
        // Its own ticks are named, those of another one are, or the tape is another one.
        for settings in [
            ["GATEWAY_PROVIDER=ibkr"], ["SYNTHETIC_RATE=7"], ["MDS_NAMESPACE=other"],
        ] {
            #expect(sources.meant(by: try testSettings(settings)) == nil, "\(settings)")
        }
        #expect(StackSources([try stackSource([])]).meant(by: StackSettings()) == nil)
        #expect(StackSources().meant(by: StackSettings()) == nil)
    }

    @Test("the file keeps all of them with their settings; a damaged one is named")
    func file() throws {
        let folder = try TemporaryFolder()
        let home = try madeHome(folder)
        #expect(try StackSources.read(home) == StackSources())
        let sources = StackSources([
            try stackSource(["SYNTHETIC_SYMBOLS=A,\"B\"", "SYNTHETIC_RATE=5"]),
            try stackSource(["MDS_NAMESPACE=play", "SIMULATOR_SEED=3"], isSimulated: true),
        ])
        try sources.write(home)
        #expect(try StackSources.read(home) == sources)
        #expect(sources.of(namespace: "play").map(\.name) == ["ibkr"])
        for text in ["", "[]", "{\"v\":1,\"sources\":[{}]}", "{\"v\":1,\"sources\":7}"] {
            try FileSystem.write(Array(text.utf8), to: home.sources)
            let error = #expect(throws: ToolError.self) { try StackSources.read(home) }
            #expect(error?.exitCode == .dataError, "\(text)")
        }
        try FileSystem.write(Array("{\"v\":2,\"sources\":[]}".utf8), to: home.sources)
        #expect(complaint { try StackSources.read(home) }.contains("a newer release wrote it"))
    }

    @Test("a stack without tape and database has no ticks of anybody")
    func empty() throws {
        let folder = try TemporaryFolder()
        let home = try madeHome(folder)
        #expect(!home.hasData)
        try FileSystem.write([1], to: "\(home.natsStore)/stream")
        #expect(home.hasData)
    }

    @Test("without a file of sources, the spools say whose ticks a stack has")
    func spools() throws {
        let folder = try TemporaryFolder()
        let home = try madeHome(folder)
        let (real, made) = (
            try stackSource(["GATEWAY_PROVIDER=ibkr"]), try stackSource([])
        )
        try StackSources.refuse(made, besideThoseOf: home)
        try FileSystem.makeFolder("\(home.spool)/ibkr")
        try StackSources.refuse(real, besideThoseOf: home)
        #expect(
            complaint { try StackSources.refuse(made, besideThoseOf: home) }.contains(
                "has ticks of ibkr, not of synthetic"))
    }

    @Test("a stack has a bounded number of sources")
    func bound() throws {
        let folder = try TemporaryFolder()
        let home = try madeHome(folder)
        var sources = StackSources()
        for number in 0..<StackSources.countMax {
            try sources.take(
                stackSource(["GATEWAY_SOURCE=s\(number)"]), adding: true, to: home)
        }
        #expect(throws: ToolError.self) {
            try sources.take(stackSource([]), adding: true, to: home)
        }
    }

    @Test("words of the command line")
    func parsing() throws {
        let options = try UpCommand.parse(["--simulator", "--add-source"]).options
        #expect(options.addsSource && options.withSimulator)
        // The supervisor reads the sources from the stack's file.
        #expect(options.arguments == ["--simulator"])
        var servers = Stack.UpOptions()
        (servers.addsSource, servers.withServices) = (true, false)
        #expect(throws: ToolError.self) { try servers.check() }
    }
}
