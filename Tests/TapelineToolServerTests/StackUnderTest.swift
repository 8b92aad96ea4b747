import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// A checkout with the real servers, the real supervisor, and stand-ins for the services that
/// answer on their operations port.
final class StackUnderTest {
    let folder: TemporaryFolder
    let checkout: Checkout
    let home: StackHome
    private let output: FileHandle

    init() throws {
        let built = FileSystem.folder(of: try Checkout.ownExecutable())
        // Beside the program, because a second name of a file is on the same file system.
        folder = try TemporaryFolder(in: built)
        try linkCheckout(at: folder)
        let programs = folder.file("bin")
        try FileManager.default.createDirectory(
            atPath: programs, withIntermediateDirectories: true)
        try FileManager.default.linkItem(
            atPath: "\(built)/tapeline", toPath: "\(programs)/tapeline")
        checkout = Checkout(root: folder.path, programs: programs)
        home = try testHome(folder.path)
        let path = try folder.write("", to: "output")
        output = try #require(FileHandle(forUpdatingAtPath: path))
        for name in StackPlan.servicePrograms { try replace(name, by: StackUnderTest.standIn) }
    }

    /// Ready as long as the file `red` does not exist. `migrate` ends immediately. The file `graph`
    /// has the hash by which workers say that they make bars.
    static let standIn = """
        #!/usr/bin/python3
        import http.server, json, os, signal, sys
        if sys.argv[1:] == ["--check-config"]:
            hold = os.path.dirname(os.path.abspath(__file__)) + "/hold"
            # A pipe: the test says when the answer comes.
            if os.path.exists(hold): open(hold).read()
            if os.environ.get("SYNTHETIC_RATE") == "wrong":
                print("provider-gateway: SYNTHETIC_RATE: 'wrong' is no number", file=sys.stderr)
                print("x: 1 problem: nothing was started, see x --help", file=sys.stderr)
                sys.exit(64)
            if os.environ["MDS_MEMBER"].startswith("operator-worker") and os.path.exists(
                    os.path.dirname(hold) + "/refuses"):
                print("operator-worker: OPERATOR_GRAPH: no", file=sys.stderr)
                sys.exit(64)
            sys.exit(0)
        if sys.argv[1:] == ["migrate"]:
            open(os.environ["POSTGRES_MIGRATOR_PASSWORD_FILE"]).read()
            sys.exit(0)
        folder = os.path.dirname(os.path.abspath(__file__))
        red, graph = folder + "/red", folder + "/graph"
        # Of the two workers each has half of the partitions, and the graph that the test says.
        half = range(4) if os.environ["MDS_MEMBER"].endswith("-a") else range(4, 8)
        made_by = open(graph).read() if os.path.exists(graph) else ""
        class Handler(http.server.BaseHTTPRequestHandler):
            def status(self):
                return {
                    "ready": not os.path.exists(red), "reasons": ["no database"],
                    "operator": {
                        "graph": made_by,
                        "generation": int(os.environ.get("OPERATOR_GENERATION", "1")),
                        "partitions": [{"partition": one, "problem": None} for one in half]}}
            def do_GET(self):
                if self.path == "/status":
                    code, body = 200, json.dumps(self.status()).encode()
                else:
                    code, body = 503 if os.path.exists(red) else 200, b"no database\\n"
                self.send_response(code)
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *arguments): pass
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        port = int(os.environ["OPS_PORT"])
        http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()

        """

    var stack: Stack {
        get throws {
            try Stack(
                checkout: checkout, name: "default",
                terminal: Terminal(output: output.fileDescriptor, errors: output.fileDescriptor))
        }
    }

    /// Runs `tapeline up` with these words.
    func up(_ words: String...) throws -> ExitCode { try up(words) }

    func up(_ words: [String]) throws -> ExitCode {
        try stack.up(try UpCommand.parse(words).options, shutdown: ShutdownSignal())
    }

    /// Puts a program in the place of one of ours.
    func replace(_ program: String, by script: String) throws {
        let path = try folder.write(script, to: "bin/\(program)")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    /// Makes `store-writer migrate` fail.
    func refuseMigration() throws {
        try replace(
            "store-writer",
            by: """
                #!/bin/sh
                [ "$1" = --check-config ] && exit 0
                echo 'permission denied for schema' >&2
                exit 1

                """)
    }

    /// Returns what the commands printed since the last call.
    func printed() throws -> String {
        try output.seek(toOffset: 0)
        let text = String(decoding: try output.readToEnd() ?? Data(), as: UTF8.self)
        try output.truncate(atOffset: 0)
        return text
    }

    func state() throws -> StackState { try #require(try StackState.read(home)) }

    func process(_ name: String) throws -> ProcessIdentity {
        try #require(try state().units.first { $0.name == name }?.process)
    }

    deinit {
        do {
            _ = try stack.down()
        } catch {
            print("the stack of a test did not stop: \(error)")
        }
    }
}
