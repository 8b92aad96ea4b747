import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

@Suite("tapeline service")
struct ServiceUnitTests {
    private func unit(of home: String, isOfRoot: Bool = false) -> ServiceUnit {
        ServiceUnit(
            stack: "coins", stackFolder: "/s/coins", program: "/bin/true", home: home,
            isOfRoot: isOfRoot)
    }

    @Test("a unit runs a stack in the foreground, word by word, and starts it again")
    func text() throws {
        let unit = ServiceUnit(
            stack: "coins", stackFolder: "/s/coins", program: "/a b/tapeline",
            arguments: ["--settings", "/x/5% \"$X\" \\"], home: "/people/$a%", isOfRoot: false)
        #expect(unit.path == "/people/$a%/.config/systemd/user/tapeline-stack-coins.service")
        #expect(
            unit.text == """
                [Unit]
                Description=The stack coins of Tapeline
                X-Stack=/s/coins
                StartLimitIntervalSec=0

                [Service]
                Type=exec
                Environment="HOME=/people/$a%%"
                ExecStart="/a b/tapeline" "up" "--foreground" "--name" "coins" "--settings" \
                "/x/5%% \\"$$X\\" \\\\"
                Restart=on-failure
                RestartSec=10
                RestartPreventExitStatus=64
                OOMPolicy=continue
                KillMode=mixed
                TimeoutStopSec=240

                [Install]
                WantedBy=default.target

                """)
        #expect(unit.systemctl("status") == "systemctl --user status")
    }

    @Test("root's unit is of the machine")
    func root() {
        let unit = ServiceUnit(
            stack: "default", stackFolder: "/s/default", program: "/t", checkout: "/c",
            home: "/people/root", isOfRoot: true)
        #expect(unit.path == "/etc/systemd/system/tapeline-stack-default.service")
        #expect(unit.text.contains("\nWantedBy=multi-user.target\n"))
        let network = "network-online.target\n"
        #expect(unit.text.contains("\nWants=\(network)After=\(network)StartLimitIntervalSec=0\n"))
        #expect(unit.text.contains(" \"--home\" \"/c\" \"--name\" \"default\"\n"))
        #expect(unit.systemctl("daemon-reload") == "systemctl daemon-reload")
    }

    @Test("systemd finds nothing wrong with a unit", arguments: [true, false])
    func verified(isOfRoot: Bool) throws {
        let folder = try TemporaryFolder("unit")
        var unit = unit(of: folder.path, isOfRoot: isOfRoot)
        unit.arguments = ["PROVIDER=binance", "--settings", "/x/5% $X"]
        let path = try folder.write(unit.text, to: unit.name)
        let said = try run(
            "/bin/sh", ["-c", "systemd-analyze --man=no verify \"$0\" 2>&1", path])
        #expect(said == "")
    }

    @Test("the command takes what names no value of a setting, and its removal takes nothing")
    func arguments() throws {
        let folder = try TemporaryFolder("service")
        let file = try folder.write("LOG_LEVEL=debug\n", to: "desk.env")
        let given = ["install", "--name", "coins", "PROVIDER=binance", "--simulator"]
        let command = try ServiceCommand.parse(given + ["--settings", file])
        #expect(command.target.name == "coins")
        #expect(command.verb == .install)
        let path = try #require(FileSystem.resolved(file))
        #expect(command.arguments == ["PROVIDER=binance", "--settings", path, "--simulator"])
        #expect(try ServiceCommand.parse(["install", "--print"]).verb == .print)
        #expect(try ServiceCommand.parse(["remove"]).verb == .remove)
        for wrong in [
            ["remove", "--simulator"], ["remove", "PROVIDER=binance"], ["install", "binance"],
            ["install", "--set", "LOG_LEVEL=debug"], ["install", "--settings", "/no/file"],
            ["install", "PROVIDER=replay", "--simulator"], [],
        ] {
            #expect(throws: ToolError.self, "\(wrong)") { try ServiceCommand.parse(wrong) }
        }
    }

    @Test("a unit is written, and not removed while it is switched on")
    func life() throws {
        let folder = try TemporaryFolder("service")
        let unit = unit(of: folder.path)
        func said(
            _ verb: ServiceCommand.Verb, systemd: String, _ runner: ServiceCommand.Runner = .nobody
        ) throws -> String {
            try Said { terminal in
                try ServiceCommand(verb: verb)
                    .carryOut(unit, terminal, systemd: systemd, runner: runner)
            }.output
        }
        #expect(
            complaint { try said(.install, systemd: folder.file("none")) }
                == "systemd does not run on this machine: have something else run "
                + "'tapeline up --foreground'")
        #expect(!FileSystem.exists(unit.path))
        #expect(try said(.print, systemd: folder.file("none")) == unit.text)
        let told = try said(.install, systemd: folder.path)
        let steps = "systemctl --user daemon-reload && systemctl --user enable --now \(unit.name)"
        #expect(told.contains("now:    \(steps)\n"))
        // Two cannot run one stack.
        let down = ServiceCommand.Runner.person(down: "tapeline down --name coins")
        #expect(
            try said(.install, systemd: folder.path, down)
                .contains("now:    tapeline down --name coins && \(steps)\n"))
        #expect(
            try said(.install, systemd: folder.path, .systemd)
                .contains("now:    \(steps) && systemctl --user restart \(unit.name)\n"))
        #expect(try String(contentsOfFile: unit.path, encoding: .utf8) == unit.text)

        try FileSystem.makeFolder(FileSystem.folder(of: unit.link))
        try FileManager.default.createSymbolicLink(
            atPath: unit.link, withDestinationPath: unit.path)
        let refusal =
            "the unit is switched on or runs: run 'systemctl --user disable --now \(unit.name)' "
            + "first, then this again"
        #expect(complaint { try said(.remove, systemd: folder.path) } == refusal)
        try FileSystem.removeFile(unit.link)
        #expect(complaint { try said(.remove, systemd: folder.path, .systemd) } == refusal)
        #expect(try said(.remove, systemd: folder.path).contains("the stack coins stays as it is"))
        #expect(!FileSystem.exists(unit.path))
        #expect(try said(.remove, systemd: folder.path) == "there is no unit \(unit.path)\n")
    }

    @Test("a process of a unit is known by its control group")
    func groups() {
        let unit = unit(of: "/people/a")
        let slice = "/user.slice/user@1000.service/app.slice"
        #expect(unit.hasStarted("0::\(slice)/\(unit.name)\n"))
        #expect(unit.hasStarted("4:memory:/\n1:name=systemd:\(slice)/\(unit.name)\n0::/\n"))
        #expect(!unit.hasStarted("0::\(slice)/my-\(unit.name)\n"))
        #expect(!unit.hasStarted(""))
    }

    @Test("a stack with a unit is not removed: the unit would make it again")
    func removal() throws {
        let folder = try TemporaryFolder("service")
        let home = try testHome(folder.path, name: "coins")
        func written() throws -> ServiceUnit? {
            try ServiceUnit.written(for: home, home: folder.path)
        }
        #expect(try written() == nil)
        // Of a stack of another checkout, which has the same name.
        var other = unit(of: folder.path)
        try FileSystem.makeFolder(other.folder)
        try FileSystem.write(Array(other.text.utf8), to: other.path)
        #expect(try written() == nil)
        other = ServiceUnit(
            stack: "coins", stackFolder: home.path, program: "/t", home: folder.path,
            isOfRoot: false)
        try FileSystem.write(Array(other.text.utf8), to: other.path)
        #expect(try written()?.path == other.path)
    }

    @Test("what the unit's start would refuse is refused at once")
    func checked() throws {
        let folder = try TemporaryFolder("service")
        let settings = try folder.write("WRITER_DAILY_BARS=true\n", to: "daily.env")
        var places = ServerPlaces()
        places.stacks = folder.file("stacks")
        func check(_ words: String..., isPackage: Bool = false) throws {
            places.isPackage = isPackage
            let checkout = Checkout(root: folder.path, programs: folder.path, places: places)
            let stack = try Stack(checkout: checkout, name: "coins", terminal: Terminal())
            try ServiceCommand.parse(words).check(stack)
        }
        #expect(
            complaint {
                try check("install", "PROVIDER=binance", "--settings", settings, isPackage: true)
            }.hasPrefix("WRITER_DAILY_BARS wants TimescaleDB"))
        try check("install", "PROVIDER=binance", "--settings", settings)
        // There is nothing to go on with.
        #expect(
            complaint { try check("install") }
                == "the stack coins has no source of ticks to go on with: name its provider, as in "
                + "PROVIDER=binance (synthetic makes ticks up)")
        try check("install", "--simulator")
        try check("install", "--print")
        try check("remove")
    }
}
