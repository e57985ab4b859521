// A client in the shape of the one in the origin system's documents: a plain WebSocket, a switch on the type, a
// ping every 30 seconds. A classic script that knows nothing of this repository; `display` is its page.
'use strict';

function watchEvent(host, eventId, display) {
  const eventSocket = new WebSocket('ws://' + host + '/ws/events/checkin/' + eventId + '/');

  eventSocket.onmessage = function (e) {
    const data = JSON.parse(e.data);

    switch (data.type) {
      case 'initial_data':
        display.eventInfo(data.event);
        display.participants(data.participants);
        break;

      case 'checkin_update':
        display.participantStatus(data.participant);
        display.notification(`${data.participant.user.first_name} ${data.action}`);
        break;

      case 'participant_registered':
        display.newParticipant(data.participant);
        break;
    }
  };

  setInterval(() => {
    eventSocket.send(JSON.stringify({ type: 'ping', timestamp: new Date().toISOString() }));
  }, 30000);

  return eventSocket;
}

function watchDashboard(host, display) {
  const dashboardSocket = new WebSocket('ws://' + host + '/ws/events/dashboard/');

  dashboardSocket.onmessage = function (e) {
    const data = JSON.parse(e.data);

    if (data.type === 'event_update') {
      display.eventBadge(data.event_id, data.update_type);
    }
  };

  return dashboardSocket;
}
