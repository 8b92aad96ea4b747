import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

@Suite("tapeline service")
struct ServiceUnitTests {
    private func unit(of home: String, isOfRoot: Bool = false) -> ServiceUnit {
        ServiceUnit(stack: "coins", program: "/bin/true", home: home, isOfRoot: isOfRoot)
    }

    @Test("a unit runs a stack in the foreground, word by word, and starts it again")
    func text() throws {
        let unit = ServiceUnit(
            stack: "coins", program: "/a b/tapeline",
            arguments: ["--settings", "/x/5% \"$X\" \\"], home: "/people/a", isOfRoot: false)
        #expect(unit.path == "/people/a/.config/systemd/user/tapeline-stack-coins.service")
        #expect(
            unit.text == """
                [Unit]
                Description=The stack coins of Tapeline
                After=network.target
                StartLimitIntervalSec=600
                StartLimitBurst=5

                [Service]
                Type=exec
                Environment="HOME=/people/a"
                ExecStart="/a b/tapeline" "up" "--foreground" "--name" "coins" "--settings" \
                "/x/5%% \\"$$X\\" \\\\"
                Restart=on-failure
                RestartSec=10
                RestartPreventExitStatus=64
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
            stack: "default", program: "/t", checkout: "/c", home: "/people/root", isOfRoot: true)
        #expect(unit.path == "/etc/systemd/system/tapeline-stack-default.service")
        #expect(unit.text.contains("\nWantedBy=multi-user.target\n"))
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
        func said(_ verb: ServiceCommand.Verb, systemd: String) throws -> String {
            try Said { terminal in
                try ServiceCommand(verb: verb).carryOut(unit, terminal, systemd: systemd)
            }.output
        }
        #expect(
            complaint { try said(.install, systemd: folder.file("none")) }
                == "systemd does not run on this machine: have something else run "
                + "'tapeline up --foreground'")
        #expect(!FileSystem.exists(unit.path))
        #expect(try said(.print, systemd: folder.file("none")) == unit.text)
        let told = try said(.install, systemd: folder.path)
        #expect(told.contains("daemon-reload && systemctl --user enable --now \(unit.name)\n"))
        #expect(try String(contentsOfFile: unit.path, encoding: .utf8) == unit.text)

        try FileSystem.makeFolder(FileSystem.folder(of: unit.link))
        try FileManager.default.createSymbolicLink(
            atPath: unit.link, withDestinationPath: unit.path)
        #expect(
            complaint { try said(.remove, systemd: folder.path) }
                == "the unit is switched on: run 'systemctl --user disable --now \(unit.name)' "
                + "first, then this again")
        try FileSystem.removeFile(unit.link)
        #expect(try said(.remove, systemd: folder.path).contains("the stack coins stays as it is"))
        #expect(!FileSystem.exists(unit.path))
        #expect(try said(.remove, systemd: folder.path) == "there is no unit \(unit.path)\n")
    }
}
