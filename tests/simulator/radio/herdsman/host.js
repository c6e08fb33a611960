// zigbee-herdsman's ember adapter on a coordinator: start, let a device join, interview it, switch its second
// channel on, wait for its report. Prints each step as a line of JSON. Arguments: the port's URL, a folder for its files.
const { Controller, setLogger } = require(process.env.HERDSMAN);

const [, , path, folder] = process.argv;
const printEvent = (event, facts) => console.log(JSON.stringify({ event, ...facts }));
const logError = (message, where) => console.error(where, typeof message === "function" ? message() : message);
setLogger({ debug() {}, info() {}, warning: logError, error: logError });

const controller = new Controller({
  network: {
    panID: 0x1a62,
    extendedPanID: [0xdd, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd],
    channelList: [15],
    networkKey: [...Array(16).keys()],
  },
  serialPort: { path, adapter: "ember", baudRate: 115200, rtscts: false },
  databasePath: `${folder}/database`,
  databaseBackupPath: `${folder}/database.backup`,
  backupPath: `${folder}/coordinator.json`,
  adapter: { disableLED: true },
  acceptJoiningDeviceHandler: async () => true,
});

controller.on("message", (message) => {
  if (message.type === "attributeReport") printEvent("report", { endpoint: message.endpoint.ID, data: message.data });
});

controller.on("deviceInterview", async ({ status, device }) => {
  if (status === "started") return;
  const { ieeeAddr: ieee, modelID: model, manufacturerName: manufacturer } = device;
  printEvent("interview", { status, ieee, model, manufacturer, endpoints: device.endpoints.map(({ ID }) => ID) });
  const channel = device.getEndpoint(2);
  await channel.bind("genOnOff", controller.getDevicesByType("Coordinator")[0].getEndpoint(1));
  await channel.configureReporting("genOnOff", [
    { attribute: "onOff", minimumReportInterval: 0, maximumReportInterval: 3600, reportableChange: 0 },
  ]);
  await channel.command("genOnOff", "on", {});
  printEvent("commanded");
});

process.stdin.on("end", async () => {
  await controller.stop();
  process.exit(0);
});
process.stdin.resume();

(async () => {
  printEvent("started", { how: await controller.start() });
  await controller.permitJoin(60);
  printEvent("permitted");
})().catch((error) => {
  printEvent("failed", { error: String(error) });
  process.exit(1);
});
