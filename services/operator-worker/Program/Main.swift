import OperatorWorker

@main
enum Program {
    static func main() { OperatorWorker.Main.run() }
}
